//! What moe asks of sigma0 (`abi/07` §3). All memory arrives at its own address.

use l4_abi::arch::native::KipHeader;
use l4_abi::capability::slot;
use l4_abi::flexpage::Flexpage;
use l4_abi::item::ReceiveBuffer;
use l4_abi::kip::MemoryDescriptor;
use l4_abi::protocol::label;
use l4_abi::protocol::sigma0::Request;
use l4_abi::rights::MemoryRights;
use l4_ipc::client::exchange;
use l4_ipc::factory::ServerFactory;
use l4_ipc::{Pages, Writer};
use l4_sys::{AnyObject, Cap, OwnedCap, Result, Selector};

use crate::frames::PAGE_SIZE;
use crate::memory;

const SIGMA0: Selector = Selector::new(slot::PAGER);

fn request(request: Request, page: Flexpage) -> Result<u64> {
    let mut writer = Writer::new();
    writer.scalar(request.request_word())?;
    writer.scalar(page.raw())?;
    writer.buffer_word(ReceiveBuffer::WINDOW_WORD)?;
    writer.buffer_word(Flexpage::whole_memory().raw())?;
    exchange::<Pages>(SIGMA0, label::SIGMA0, writer).map(|item| item.base())
}

/// Takes any free block of 2^`order` bytes.
pub(super) fn any_ram(order: u32) -> Result<u64> {
    request(
        Request::AnyRam,
        Flexpage::memory(0, order, MemoryRights::RWX),
    )
}

/// Maps memory that is moe's already.
pub(super) fn map_ram(address: u64, size: u64) -> Result<()> {
    let first = address & !(PAGE_SIZE - 1);
    let end = (address + size).next_multiple_of(PAGE_SIZE);
    let mut next = first;
    while next < end {
        let order = memory::largest_block(next, end - next);
        request(
            Request::Ram,
            Flexpage::memory(next, order, MemoryRights::RWX),
        )?;
        next += 1 << order;
    }
    Ok(())
}

/// A capability to sigma0 for another client.
pub(super) fn new_client() -> Result<OwnedCap<AnyObject>> {
    Cap::<ServerFactory>::at(slot::PAGER).create(label::SIGMA0, &[])
}

/// The kernel info page.
#[derive(Clone, Copy)]
pub(super) struct KernelInfoPage(u64);

/// Maps the kernel info page.
pub(super) fn kernel_info_page() -> Result<KernelInfoPage> {
    request(Request::Kip, Flexpage::NIL).map(KernelInfoPage)
}

impl KernelInfoPage {
    pub(super) fn address(self) -> u64 {
        self.0
    }

    fn header(self) -> &'static KipHeader {
        memory::structure(self.0)
    }

    /// Where the list of boot modules is.
    pub(super) fn user_pointer(self) -> u64 {
        self.header().user_pointer
    }

    pub(super) fn descriptors(self) -> &'static [MemoryDescriptor] {
        let header = self.header();
        memory::structures(
            self.0 + u64::from(header.memory_descriptors_offset),
            header.memory_descriptors_count as usize,
        )
    }
}
