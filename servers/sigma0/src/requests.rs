//! The sigma0 protocol (`abi/07` §3): what is asked, and what the answer is.

use l4_abi::error::ResultCode;
use l4_abi::exception::FaultWord;
use l4_abi::flexpage::{Flexpage, Space};
use l4_abi::item::{CacheMode, ItemControl, ItemFlags, MapItem};
use l4_abi::kip::MemoryDescriptor;
use l4_abi::protocol::sigma0::{MIN_ORDER, Request};
use l4_abi::protocol::{factory, label};
use l4_abi::rights::{CapabilityRights, MemoryRights};

use crate::memory::{self, MEMORY_SPANS};
use crate::spans::{ClaimError, Owner, Span, Spans};

/// Port spans that can be told apart.
const PORT_SPANS: usize = 64;
const PORTS: u64 = 1 << 16;
const PAGE_ORDER: u32 = 12;

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// Number of the client.
    pub number: u64,
    /// The rights of the capability that it used.
    pub rights: CapabilityRights,
}

/// A successful answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Memory, which appears at its own address in a window for everything, or I/O ports.
    Map(MapItem),
    /// A gate to sigma0 for a new client.
    NewClient,
    /// Nothing but success.
    Done,
}

/// All that sigma0 has to hand out.
#[derive(Debug)]
pub struct Resources {
    memory: Spans<MEMORY_SPANS>,
    ports: Spans<PORT_SPANS>,
    kip: u64,
}

impl Resources {
    /// Nothing at all.
    pub const fn new() -> Self {
        Self {
            memory: Spans::new(),
            ports: Spans::new(),
            kip: 0,
        }
    }

    /// Takes over the memory as the kernel info page at address `kip` describes it, and all ports.
    pub fn take_over(
        &mut self,
        kip: u64,
        descriptors: impl Iterator<Item = MemoryDescriptor> + Clone,
    ) -> Result<(), ClaimError> {
        self.kip = kip;
        memory::describe(&mut self.memory, descriptors)?;
        self.ports.set(Span::new(0, PORTS - 1, Owner::Free, 0))
    }

    /// Answers the request with label `protocol` and the given words.
    pub fn answer(
        &mut self,
        client: Client,
        protocol: i64,
        words: &[u64],
    ) -> Result<Answer, ResultCode> {
        let word = |index: usize| words.get(index).copied().ok_or(ResultCode::EMSGTOOSHORT);
        match protocol {
            label::SIGMA0 => match Request::from_request_word(word(0)?) {
                Some(Request::Kip) => Ok(cached(self.kip, PAGE_ORDER, MemoryRights::RX)),
                Some(Request::DebugDump) => Ok(Answer::Done),
                Some(Request::Ram) => self.ram(client, Flexpage::from_raw(word(1)?)),
                Some(Request::AnyRam) => self.any_ram(client, Flexpage::from_raw(word(1)?)),
                Some(Request::IoMemory) => {
                    self.io_memory(Flexpage::from_raw(word(1)?), CacheMode::Uncached)
                }
                Some(Request::IoMemoryCached) => {
                    self.io_memory(Flexpage::from_raw(word(1)?), CacheMode::Cached)
                }
                Some(Request::Coverage) | None => Err(ResultCode::ENOSYS),
            },
            label::PAGE_FAULT => self.page_fault(client, FaultWord::from_raw(word(0)?)),
            label::IO_PAGE_FAULT => self.ports(client, Flexpage::from_raw(word(0)?)),
            label::FACTORY => {
                if !client.rights.contains(CapabilityRights::SPECIAL) {
                    Err(ResultCode::EPERM)
                } else if word(factory::TYPE_WORD)? as i64 != label::SIGMA0 {
                    Err(ResultCode::ENODEV)
                } else {
                    Ok(Answer::NewClient)
                }
            }
            _ => Err(ResultCode::EBADPROTO),
        }
    }

    fn ram(&mut self, client: Client, asked: Flexpage) -> Result<Answer, ResultCode> {
        let (first, last) = block(asked)?;
        let rights = self.memory.claim(first, last, client.number)?;
        let rights = MemoryRights::from_bits_truncate(rights);
        Ok(cached(first, asked.order(), rights))
    }

    fn any_ram(&mut self, client: Client, asked: Flexpage) -> Result<Answer, ResultCode> {
        if asked.order() < MIN_ORDER {
            return Err(ResultCode::EINVAL);
        }
        let first = self.memory.claim_any(asked.order(), client.number)?;
        Ok(cached(first, asked.order(), MemoryRights::RWX))
    }

    /// Device memory may be shared: which driver gets what is not sigma0's to decide.
    fn io_memory(&mut self, asked: Flexpage, cache: CacheMode) -> Result<Answer, ResultCode> {
        let (first, last) = block(asked)?;
        if self.memory.touches(first, last) {
            return Err(ResultCode::ENOMEM);
        }
        Ok(memory(first, asked.order(), MemoryRights::RW, cache))
    }

    /// Clients fault on what they own already: the root task on its own image.
    fn page_fault(&self, client: Client, fault: FaultWord) -> Result<Answer, ResultCode> {
        let span = self.memory.at(fault.address()).ok_or(ResultCode::ENOMEM)?;
        if span.owner != Owner::Client(client.number) {
            return Err(ResultCode::ENOMEM);
        }
        let page = fault.address() & !((1 << PAGE_ORDER) - 1);
        let rights = MemoryRights::from_bits_truncate(span.rights);
        Ok(cached(page, PAGE_ORDER, rights))
    }

    fn ports(&mut self, client: Client, asked: Flexpage) -> Result<Answer, ResultCode> {
        if asked.space() != Some(Space::IoPort) || asked.order() > Flexpage::WHOLE_IO_PORT_ORDER {
            return Err(ResultCode::EINVAL);
        }
        let ports = asked.block(Flexpage::WHOLE_IO_PORT_ORDER);
        self.ports
            .claim(ports.start(), ports.last(), client.number)?;
        Ok(Answer::Map(MapItem {
            control: ItemControl::map(0, ItemFlags::empty()),
            flexpage: asked,
            space: Space::IoPort,
        }))
    }
}

/// The first and last address of a memory flexpage.
fn block(asked: Flexpage) -> Result<(u64, u64), ResultCode> {
    let mask = (1u64 << asked.order()) - 1;
    if asked.order() < MIN_ORDER || asked.address() & mask != 0 {
        return Err(ResultCode::EINVAL);
    }
    Ok((asked.address(), asked.address() | mask))
}

fn cached(first: u64, order: u32, rights: MemoryRights) -> Answer {
    memory(first, order, rights, CacheMode::Cached)
}

fn memory(first: u64, order: u32, rights: MemoryRights, cache: CacheMode) -> Answer {
    Answer::Map(MapItem {
        control: ItemControl::map(first, cache.flags()),
        flexpage: Flexpage::memory(first, order, rights),
        space: Space::Memory,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::ROOT_TASK;
    use l4_abi::kip::MemoryType;

    const KIP: u64 = 0x60_0000;
    const ROOT: Client = Client {
        number: ROOT_TASK,
        rights: CapabilityRights::INVOCATION,
    };
    const OTHER: Client = Client {
        number: 12,
        rights: CapabilityRights::READ,
    };

    fn resources() -> Resources {
        let mut all = Resources::new();
        let physical = MemoryDescriptor::physical;
        let descriptors = [
            physical(MemoryType::Conventional, 0, 0x10_0000, 0x1f_ffff),
            physical(MemoryType::Reserved, 0, 0x60_0000, 0x60_ffff),
            MemoryDescriptor::bootloader(MemoryRights::RX, 0x20_0000, 0x20_0fff),
        ];
        all.take_over(KIP, descriptors.into_iter()).unwrap();
        all
    }

    fn ask(
        resources: &mut Resources,
        client: Client,
        request: Request,
        page: u64,
    ) -> Result<u64, ResultCode> {
        match resources.answer(client, label::SIGMA0, &[request.request_word(), page])? {
            Answer::Map(item) => Ok(item.flexpage.raw()),
            other => panic!("{other:?}"),
        }
    }

    fn page(address: u64, order: u32) -> u64 {
        Flexpage::memory(address, order, MemoryRights::empty()).raw()
    }

    #[test]
    fn ram_belongs_to_who_asks_first() {
        let mut all = resources();
        assert_eq!(
            ask(&mut all, ROOT, Request::Ram, page(0x10_0000, 12)),
            Ok(0x10_0317)
        );
        assert_eq!(
            ask(&mut all, ROOT, Request::Ram, page(0x10_0000, 12)),
            Ok(0x10_0317)
        );
        let taken = ask(&mut all, OTHER, Request::Ram, page(0x10_0000, 12));
        assert_eq!(taken, Err(ResultCode::ENOMEM));
        assert!(ask(&mut all, OTHER, Request::Ram, page(0x10_1000, 12)).is_ok());
    }

    #[test]
    fn the_kernels_memory_is_never_given_out() {
        let mut all = resources();
        for request in [Request::Ram, Request::IoMemory, Request::IoMemoryCached] {
            for order in [12, 16, 21, 22, 63] {
                let answer = ask(
                    &mut all,
                    ROOT,
                    request,
                    page(0x60_0000 & !((1 << order) - 1), order),
                );
                assert_eq!(answer, Err(ResultCode::ENOMEM), "{request:?} {order}");
            }
        }
        let fault = all.answer(ROOT, label::PAGE_FAULT, &[0x60_0002, 0]);
        assert_eq!(fault, Err(ResultCode::ENOMEM));
        assert_eq!(
            ask(&mut all, OTHER, Request::Kip, 0),
            Ok(0x60_0315),
            "the page, not writable"
        );
    }

    #[test]
    fn malformed_requests_are_refused() {
        let mut all = resources();
        for request in [Request::Ram, Request::IoMemory] {
            for bad in [page(0x10_0000, 11), page(0x10_1000, 13), 0] {
                assert_eq!(ask(&mut all, ROOT, request, bad), Err(ResultCode::EINVAL));
            }
        }
        for (protocol, words, error) in [
            (label::SIGMA0, &[0x60, 0][..], ResultCode::ENOSYS),
            (
                label::SIGMA0,
                &[Request::Coverage.request_word()],
                ResultCode::ENOSYS,
            ),
            (
                label::SIGMA0,
                &[Request::Ram.request_word()],
                ResultCode::EMSGTOOSHORT,
            ),
            (label::SIGMA0, &[], ResultCode::EMSGTOOSHORT),
            (label::PAGE_FAULT, &[], ResultCode::EMSGTOOSHORT),
            (label::DATASPACE, &[0, 0], ResultCode::EBADPROTO),
            (label::META, &[0, 0], ResultCode::EBADPROTO),
        ] {
            assert_eq!(all.answer(ROOT, protocol, words), Err(error));
        }
    }

    #[test]
    fn page_faults_are_answered_in_own_memory_only() {
        let mut all = resources();
        let answer = all
            .answer(ROOT, label::PAGE_FAULT, &[0x20_0ff6, 0x1234])
            .unwrap();
        assert_eq!(answer, cached(0x20_0000, 12, MemoryRights::RX));
        for (client, address) in [(OTHER, 0x20_0000), (ROOT, 0x10_0000), (ROOT, 0xdead_0000)] {
            let answer = all.answer(client, label::PAGE_FAULT, &[address, 0]);
            assert_eq!(answer, Err(ResultCode::ENOMEM));
        }
    }

    #[test]
    fn device_memory_is_what_no_descriptor_names() {
        let mut all = resources();
        assert_eq!(
            ask(&mut all, OTHER, Request::IoMemory, page(0xfeb0_0000, 12)),
            Ok(0xfeb0_0316)
        );
        let ram = ask(&mut all, ROOT, Request::IoMemory, page(0x10_0000, 12));
        assert_eq!(ram, Err(ResultCode::ENOMEM));
    }

    #[test]
    fn each_port_has_one_owner() {
        let mut all = resources();
        let com1 = Flexpage::io_ports(0x3f8, 3);
        let ask = |all: &mut Resources, client, page: Flexpage| {
            all.answer(client, label::IO_PAGE_FAULT, &[page.raw(), 0])
        };
        let answer = ask(&mut all, ROOT, com1);
        assert!(matches!(answer, Ok(Answer::Map(item)) if item.flexpage == com1));
        assert_eq!(ask(&mut all, OTHER, com1), Err(ResultCode::ENOMEM));
        assert_eq!(
            ask(&mut all, OTHER, Flexpage::io_ports(0, 16)),
            Err(ResultCode::ENOMEM)
        );
        assert!(ask(&mut all, OTHER, Flexpage::io_ports(0x80, 0)).is_ok());
        let absurd = Flexpage::io_ports(0, 17);
        assert_eq!(ask(&mut all, ROOT, absurd), Err(ResultCode::EINVAL));
        assert_eq!(
            ask(&mut all, ROOT, Flexpage::from_raw(0x1000)),
            Err(ResultCode::EINVAL)
        );
    }

    #[test]
    fn new_clients_need_the_special_right() {
        let mut all = resources();
        let sigma0 = label::SIGMA0 as u64;
        assert_eq!(
            all.answer(OTHER, label::FACTORY, &[sigma0]),
            Err(ResultCode::EPERM)
        );
        assert_eq!(
            all.answer(ROOT, label::FACTORY, &[sigma0]),
            Ok(Answer::NewClient)
        );
        assert_eq!(
            all.answer(ROOT, label::FACTORY, &[0]),
            Err(ResultCode::ENODEV)
        );
    }
}
