//! Requests that an interrupt refuses.

use l4_test::abi::error::ResultCode;
use l4_test::abi::protocol::label;
use l4_test::abi::rights::CapabilityRights;
use l4_test::abi::timeout::{Timeout, TimeoutPair};
use l4_test::message::wait_for;
use l4_test::{Message, own, refused};

use crate::trigger::{NOTHING, irq, own_irq};

pub(crate) fn unknown_protocols_are_refused() {
    let irq = irq();
    for label in [
        label::META,
        label::TASK,
        label::SEMAPHORE,
        label::FACTORY,
        0,
    ] {
        let reply = Message::new(label).words(&[0]).call(**irq);
        assert_eq!(reply.outcome(), refused(ResultCode::EBADPROTO), "{label}");
    }
}

pub(crate) fn unknown_operations_are_refused() {
    let irq = irq();
    let unknown = [
        (label::IRQ, 0),
        (label::IRQ, 3),
        (label::KERNEL_OBJECT, 0),
        (label::KERNEL_OBJECT, 0x11),
        (label::IRQ_SENDER, 0),
        (label::IRQ_SENDER, 3),
    ];
    for (label, opcode) in unknown {
        let reply = Message::new(label).words(&[opcode]).call(**irq);
        assert_eq!(
            reply.outcome(),
            refused(ResultCode::ENOSYS),
            "{label} {opcode}"
        );
    }
    for label in [label::KERNEL_OBJECT, label::IRQ_SENDER] {
        let reply = Message::new(label).call(**irq);
        assert_eq!(reply.outcome(), refused(ResultCode::EINVAL), "{label}");
    }
}

pub(crate) fn detaching_needs_the_special_right() {
    let irq = irq();
    let weak = own::copy(irq.as_cap(), CapabilityRights::RW);
    assert_eq!(weak.detach(), refused(ResultCode::EPERM));
}

pub(crate) fn a_trigger_is_empty_or_named() {
    let irq = own_irq(3);
    for words in [&[][..], &[2], &[0x1_0002]] {
        let sent = Message::new(label::IRQ).words(words).send(**irq);
        assert!(sent.came());
        assert_eq!(wait_for(Timeout::ZERO).label, 3, "{words:?}");
    }
}

pub(crate) fn unmasking_and_receiving_is_one_request() {
    let irq = own_irq(4);
    irq.trigger().unwrap();
    let reply = Message::new(label::IRQ).words(&[4]).call(**irq);
    assert_eq!((reply.outcome(), reply.label), (Ok(0), 4));
    let again = Message::new(label::IRQ)
        .words(&[4])
        .timeouts(TimeoutPair::RECEIVE_ZERO)
        .call(**irq);
    assert_eq!(again.outcome(), NOTHING);
}

pub(crate) fn no_vcpu_can_be_bound() {
    let irq = irq();
    let request = Message::new(label::IRQ_SENDER)
        .words(&[2, 0])
        .capability(own::thread(), CapabilityRights::RWS);
    assert_eq!(request.call(**irq).outcome(), refused(ResultCode::ENOSYS));
}
