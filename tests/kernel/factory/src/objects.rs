//! What a factory makes, and how it answers.

use l4_test::abi::capability::slot;
use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::item::ReceiveBuffer;
use l4_test::abi::operation::Operation;
use l4_test::abi::protocol::factory::ObjectType;
use l4_test::abi::protocol::label;
use l4_test::abi::rights::{CapabilityRights, MemoryRights};
use l4_test::message::{accept, word};
use l4_test::sys::{AnyObject, Cap, Selector, Slot};
use l4_test::{Message, Reply, own};

/// Asks the root factory for an object in `slot`.
pub(crate) fn make(slot: &Slot, words: &[u64]) -> Reply {
    accept(&[slot.buffer()]);
    Message::new(label::FACTORY)
        .words(words)
        .call(*own::factory())
}

pub(crate) fn is_used(slot: &Slot) -> bool {
    let capability: Cap<AnyObject> = Cap::new(slot.selector());
    own::task().is_valid(capability).unwrap()
}

pub(crate) fn every_kind_is_answered_alike() {
    let kinds = [
        (ObjectType::IpcGate.word(), [0, 0]),
        (label::KERNEL_OBJECT as u64, [0, 0]),
        (ObjectType::Task.word(), [0, 0]),
        (ObjectType::Thread.word(), [0, 0]),
        (ObjectType::Factory.word(), [0, 0x1_0000]),
        (ObjectType::IrqSender.word(), [0, 0]),
        (ObjectType::Semaphore.word(), [0, 0]),
    ];
    for (kind, [tag, argument]) in kinds {
        let slot = Slot::allocate().unwrap();
        let reply = make(&slot, &[kind, tag, argument]);
        assert_eq!(reply.outcome(), Ok(0), "{kind:#x}");
        assert_eq!((reply.tag.words(), reply.tag.items()), (0, 1), "{kind:#x}");
        assert_eq!((word(0), word(1)), (0x38, tag), "{kind:#x}");
        assert!(is_used(&slot));
    }
}

pub(crate) fn a_task_tells_its_area() {
    let slot = Slot::allocate().unwrap();
    let area = Flexpage::memory(0xb300_0000, 13, MemoryRights::RWX);
    let reply = make(&slot, &[ObjectType::Task.word(), 0, area.raw()]);
    assert_eq!(reply.outcome(), Ok(0));
    assert_eq!((reply.tag.words(), reply.tag.items()), (1, 1));
    assert_eq!((word(0), word(1)), (area.with_rights(0).raw(), 0x38));
}

pub(crate) fn a_new_capability_has_all_rights() {
    let gate = own::factory().create_unbound_gate().unwrap();
    // W, S and the server right: it can be copied with all of them, bound, and deleted.
    let copy = own::copy(gate.as_cap(), CapabilityRights::FULL);
    assert_eq!(own::task().is_equal(gate.as_cap(), copy.as_cap()), Ok(true));
    assert_eq!(copy.bind_thread(own::thread(), 0x10), Ok(()));
    gate.delete();
    assert_eq!(own::task().is_valid(copy.as_cap()), Ok(false));
}

pub(crate) fn a_full_buffer_names_a_slot_too() {
    let slot = Slot::allocate().unwrap();
    // The order is ignored.
    let window = Flexpage::objects(slot.selector().index(), 3, CapabilityRights::empty());
    accept(&[ReceiveBuffer::WINDOW_WORD, window.raw()]);
    let reply = Message::new(label::FACTORY)
        .words(&[ObjectType::Semaphore.word()])
        .call(*own::factory());
    assert_eq!(reply.outcome(), Ok(0));
    assert!(is_used(&slot));
}

pub(crate) fn an_occupied_slot_loses_its_object() {
    let slot = Slot::allocate().unwrap();
    make(&slot, &[ObjectType::Semaphore.word()]);
    let first: Cap<AnyObject> = Cap::new(slot.selector());
    let copy = own::copy(first, CapabilityRights::RWS);
    let reply = make(&slot, &[ObjectType::Semaphore.word()]);
    assert_eq!(reply.outcome(), Ok(0));
    assert!(is_used(&slot));
    assert_eq!(own::task().is_valid(copy.as_cap()), Ok(false));
}

pub(crate) fn without_receive_phase_nothing_is_made() {
    let slot = Slot::allocate().unwrap();
    accept(&[slot.buffer()]);
    let words = [ObjectType::Semaphore.word()];
    let message = Message::new(label::FACTORY).words(&words);
    let reply = message.operate(Selector::new(slot::FACTORY), Operation::SEND);
    assert_eq!(reply.tag, message.tag());
    assert!(!is_used(&slot));
}
