//! Requests that a factory refuses.

use l4_test::abi::error::{IpcError, ResultCode};
use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::item::{MapItem, ReceiveBuffer};
use l4_test::abi::protocol::factory::ObjectType;
use l4_test::abi::protocol::label;
use l4_test::abi::rights::{CapabilityRights, MemoryRights};
use l4_test::message::{accept, accept_nothing};
use l4_test::sys::{Cap, Slot};
use l4_test::{Message, Outcome, failed, own, refused};

use crate::objects::{is_used, make};

const INVALID: Outcome = refused(ResultCode::EINVAL);

/// The result of a request that must not fill the slot it names.
fn refuse(message: Message<'_>) -> Outcome {
    let slot = Slot::allocate().unwrap();
    accept(&[slot.buffer()]);
    let outcome = message.call(*own::factory()).outcome();
    assert!(!is_used(&slot));
    outcome
}

pub(crate) fn the_special_right_is_needed() {
    let weak = own::copy(own::factory(), CapabilityRights::RW);
    assert_eq!(weak.create_irq().err(), Some(ResultCode::EPERM.into()));
}

pub(crate) fn unknown_protocols_are_refused() {
    for label in [0, label::META, label::TASK, label::THREAD] {
        let outcome = refuse(Message::new(label).words(&[ObjectType::Semaphore.word()]));
        assert_eq!(outcome, refused(ResultCode::EBADPROTO), "{label}");
    }
    let empty = refuse(Message::new(label::FACTORY));
    assert_eq!(empty, refused(ResultCode::EMSGTOOSHORT));
}

pub(crate) fn unknown_kinds_are_refused() {
    for kind in [
        label::THREAD_GROUP,
        label::IRQ,
        label::SCHEDULER,
        label::LOG,
        1,
        0x4000,
    ] {
        let outcome = refuse(Message::new(label::FACTORY).words(&[kind as u64, 0, 0]));
        assert_eq!(outcome, refused(ResultCode::ENODEV), "{kind}");
    }
}

pub(crate) fn what_needs_other_hardware_is_refused() {
    let without = [
        (label::VCPU_CONTEXT, ResultCode::ENODEV),
        (label::DMA_SPACE_KERNEL, ResultCode::ENOMEM),
    ];
    for (kind, code) in without {
        let outcome = refuse(Message::new(label::FACTORY).words(&[kind as u64, 0, 0]));
        assert_eq!(outcome, refused(code), "{kind}");
    }
}

pub(crate) fn a_buffer_is_needed() {
    let words = [ObjectType::Semaphore.word()];
    let message = Message::new(label::FACTORY).words(&words);
    let missing: Outcome = failed(IpcError::RECEIVE_OVERFLOW);
    accept_nothing();
    assert_eq!(message.call(*own::factory()).outcome(), missing);
    let window = Flexpage::memory(0, 12, MemoryRights::empty());
    accept(&[ReceiveBuffer::WINDOW_WORD, window.raw()]);
    assert_eq!(message.call(*own::factory()).outcome(), missing);
}

pub(crate) fn slots_beyond_the_space_cannot_be_filled() {
    for index in [0x1_0000, 1 << 40] {
        accept(&[ReceiveBuffer::slot_word(index, false)]);
        let words = [ObjectType::Semaphore.word()];
        let request = Message::new(label::FACTORY).words(&words);
        let outcome = request.call(*own::factory()).outcome();
        assert_eq!(outcome, refused(ResultCode::ENOMEM));
    }
}

pub(crate) fn wrong_gates_are_refused() {
    let rights = CapabilityRights::RWS;
    assert_eq!(
        refuse(request(&[0, 0, 0x1231]).capability(own::thread(), rights)),
        INVALID
    );
    assert_eq!(
        refuse(request(&[0, 0, 0x10]).capability(own::task(), rights)),
        INVALID
    );
    assert_eq!(refuse(request(&[0, 0, 0x10]).raw_item(0, 0)), INVALID);
    let weak = own::copy(own::thread(), CapabilityRights::RW);
    let denied = refuse(request(&[0, 0, 0x10]).capability(weak.as_cap(), rights));
    assert_eq!(denied, refused(ResultCode::EPERM));
    let short = refuse(request(&[0, 0]).capability(own::thread(), rights));
    assert_eq!(short, refused(ResultCode::EMSGTOOSHORT));
    // Without a thread the label does not matter.
    let slot = Slot::allocate().unwrap();
    assert_eq!(make(&slot, &[0, 0, 0x1233]).outcome(), Ok(0));
    let gate: Cap<l4_test::sys::object::IpcGate> = Cap::new(slot.selector());
    assert_eq!(gate.label(), Ok(0));
}

pub(crate) fn wrong_tasks_are_refused() {
    let task = ObjectType::Task.word();
    assert_eq!(
        refuse(Message::new(label::FACTORY).words(&[task, 0])),
        INVALID
    );
    let rights = MemoryRights::RW;
    let areas = [
        Flexpage::memory(0xb300_0000, 11, rights),
        Flexpage::memory(0xb300_0000, 18, rights),
        Flexpage::memory(1 << 62, 12, rights),
        Flexpage::object(0x10, CapabilityRights::RWS),
    ];
    for area in areas {
        let words = [task, 0, area.raw()];
        assert_eq!(
            refuse(Message::new(label::FACTORY).words(&words)),
            INVALID,
            "{area:?}"
        );
    }
}

pub(crate) fn wrong_factories_are_refused() {
    let factory = ObjectType::Factory.word();
    assert_eq!(
        refuse(request(&[factory, 0])),
        refused(ResultCode::EMSGTOOSHORT)
    );
    let long = refused(ResultCode::EMSGTOOLONG);
    assert_eq!(refuse(request(&[factory, 0, 0x1000, 0])), long);
    let item = MapItem::capability(3, CapabilityRights::RWS);
    assert_eq!(refuse(request(&[factory, 0, 0x1000]).item(item)), long);
    assert_eq!(
        refuse(request(&[factory, 0, 0])),
        refused(ResultCode::ENOMEM)
    );
}

/// A request to the factory.
const fn request(words: &[u64]) -> Message<'_> {
    Message::new(label::FACTORY).words(words)
}
