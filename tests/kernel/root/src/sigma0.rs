//! Requests to sigma0.

use l4_test::abi::error::ResultCode;
use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::item::ReceiveBuffer;
use l4_test::abi::kip::MemoryType;
use l4_test::abi::protocol::label;
use l4_test::abi::protocol::sigma0::{MAGIC, Request};
use l4_test::abi::rights::{CapabilityRights, MemoryRights};
use l4_test::fault::access;
use l4_test::memory::{PAGE, PAGE_ORDER, allocate, load};
use l4_test::message::{accept, accept_nothing, word};
use l4_test::sys::{AnyObject, Cap, Object, OwnedCap, Slot};
use l4_test::{Message, Outcome, Reply, kip, own, refused};

use crate::arch::DEVICE;

const NO_MEMORY: Outcome = refused(ResultCode::ENOMEM);

/// Sends a request and accepts memory wherever it lies.
fn ask(client: impl Object, label: i64, words: &[u64]) -> Reply {
    accept(&[ReceiveBuffer::WINDOW_WORD, Flexpage::whole_memory().raw()]);
    let reply = Message::new(label).words(words).call(client);
    accept_nothing();
    reply
}

fn page(address: u64) -> u64 {
    Flexpage::memory(address, PAGE_ORDER, MemoryRights::RWX).raw()
}

fn request(client: impl Object, request: Request, flexpage: u64) -> Outcome {
    let words = [request.request_word(), flexpage];
    ask(client, label::SIGMA0, &words).outcome()
}

/// A further client: a gate of its own to sigma0.
fn client() -> OwnedCap<AnyObject> {
    let slot = Slot::allocate().unwrap();
    accept(&[slot.buffer()]);
    let words = [label::SIGMA0 as u64];
    let reply = Message::new(label::FACTORY)
        .words(&words)
        .call(*own::pager());
    accept_nothing();
    assert_eq!(reply.outcome(), Ok(0));
    slot.filled()
}

pub(crate) fn memory_of_any_address_is_given() {
    for order in [PAGE_ORDER, 13, 21] {
        let address = allocate(order);
        assert!(address.is_multiple_of(1 << order));
        for offset in [0, (1 << order) - PAGE] {
            assert_eq!(access(address + offset), (true, true));
        }
    }
    let too_much = Flexpage::memory(0, 50, MemoryRights::RWX).raw();
    assert_eq!(request(*own::pager(), Request::AnyRam, too_much), NO_MEMORY);
}

pub(crate) fn memory_at_an_address_is_given_to_one_client() {
    let address = allocate(PAGE_ORDER);
    assert_eq!(request(*own::pager(), Request::Ram, page(address)), Ok(0));
    let other = client();
    assert_eq!(request(**other, Request::Ram, page(address)), NO_MEMORY);
}

pub(crate) fn memory_of_the_kernel_is_not_given() {
    let reserved = kip::memory_descriptors()
        .filter(|d| d.kind() == Some(MemoryType::Reserved) && !d.is_virtual());
    let mut count = 0;
    for descriptor in reserved {
        let start = descriptor.start().next_multiple_of(PAGE);
        for asked in [Request::Ram, Request::IoMemory, Request::IoMemoryCached] {
            let outcome = request(*own::pager(), asked, page(start));
            assert_eq!(outcome, NO_MEMORY, "{start:#x}");
        }
        count += 1;
    }
    assert!(count >= 2, "kernel and its memory");
}

pub(crate) fn devices_are_given_but_no_memory_as_one() {
    assert_eq!(
        request(*own::pager(), Request::IoMemory, page(DEVICE)),
        Ok(0)
    );
    // Reading its registers does no harm.
    load(DEVICE);
    let memory = allocate(PAGE_ORDER);
    assert_eq!(
        request(*own::pager(), Request::IoMemory, page(memory)),
        NO_MEMORY
    );
    assert_eq!(
        request(*own::pager(), Request::Ram, page(DEVICE)),
        NO_MEMORY
    );
}

pub(crate) fn less_than_a_page_is_refused() {
    for asked in [Request::Ram, Request::AnyRam, Request::IoMemory] {
        let small = Flexpage::memory(0x10_0000, 11, MemoryRights::RWX).raw();
        let outcome = request(*own::pager(), asked, small);
        assert_eq!(outcome, refused(ResultCode::EINVAL), "{asked:?}");
    }
}

pub(crate) fn the_kernel_info_page_can_be_read_only() {
    let reply = ask(*own::pager(), label::SIGMA0, &[Request::Kip.request_word()]);
    assert_eq!((reply.outcome(), reply.tag.items()), (Ok(0), 1));
    let address = word(0) & !(PAGE - 1);
    assert_eq!(load(address) & 0xffff_ffff, 0x4be6_344c);
    assert_eq!(access(address), (true, false));
}

pub(crate) fn a_page_fault_brings_one_page() {
    let address = allocate(21);
    let other = client();
    // Whoever has the memory, only that client gets it.
    let fault = [address | 2, 0x1000];
    let answer = ask(*own::pager(), label::PAGE_FAULT, &fault);
    assert_eq!((answer.outcome(), answer.tag.items()), (Ok(0), 1));
    assert_eq!(word(0) >> 6 & 0x3f, u64::from(PAGE_ORDER));
    let answer = ask(**other, label::PAGE_FAULT, &fault);
    assert!(answer.outcome().is_err());
}

pub(crate) fn a_client_needs_the_special_right_to_make_clients() {
    let slot = Slot::allocate().unwrap();
    let ask = |gate: Cap<AnyObject>, kind: i64| {
        accept(&[slot.buffer()]);
        let words = [kind as u64];
        let reply = Message::new(label::FACTORY).words(&words).call(*gate);
        accept_nothing();
        reply.outcome()
    };
    let weak = own::copy(own::pager(), CapabilityRights::RW);
    let denied = ask(weak.as_cap(), label::SIGMA0);
    assert_eq!(denied, refused(ResultCode::EPERM));
    let unknown = ask(own::pager(), label::TASK);
    assert_eq!(unknown, refused(ResultCode::ENODEV));
}

pub(crate) fn unknown_requests_are_refused() {
    let unknown = [0, 0x60, MAGIC | 0x10, MAGIC | 0xb0, MAGIC | 0xf0, 0x1ff60];
    for first in unknown {
        let reply = ask(*own::pager(), label::SIGMA0, &[first, page(0x10_0000)]);
        assert_eq!(reply.outcome(), refused(ResultCode::ENOSYS), "{first:#x}");
    }
}

pub(crate) fn unknown_protocols_are_refused() {
    for label in [label::TASK, label::EXCEPTION, 0, 0x4000] {
        let reply = ask(*own::pager(), label, &[0, 0]);
        assert_eq!(reply.outcome(), refused(ResultCode::EBADPROTO), "{label}");
    }
}
