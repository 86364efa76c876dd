//! Requests that an interrupt refuses.

use l4_test::abi::error::ResultCode;
use l4_test::abi::protocol::label;
use l4_test::abi::rights::CapabilityRights;
use l4_test::{Message, own, refused};

use crate::trigger::irq;

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
