//! The interrupt that tells a server that one of its gates is gone.

use l4_test::abi::error::ResultCode;
use l4_test::abi::protocol::label;
use l4_test::abi::rights::CapabilityRights;
use l4_test::abi::timeout::Timeout;
use l4_test::message::{wait, wait_for};
use l4_test::sys::OwnedCap;
use l4_test::sys::object::Irq;
use l4_test::{Message, Outcome, own, refused, spawn};

fn irq() -> OwnedCap<Irq> {
    let irq = own::factory().create_irq().unwrap();
    irq.bind_thread(own::thread(), 0x66).unwrap();
    irq
}

pub(crate) fn the_deletion_of_a_gate_is_told() {
    let server = spawn(|| ());
    let irq = irq();
    server.thread().register_deletion_irq(irq.as_cap()).unwrap();
    let gate = own::factory().create_gate(server.thread(), 0).unwrap();
    let other = own::factory().create_gate(own::thread(), 0).unwrap();
    drop(other);
    assert!(!wait_for(Timeout::ZERO).came());
    drop(gate);
    assert_eq!(wait().label, 0x66);
}

pub(crate) fn deletions_are_told_once() {
    let server = spawn(|| ());
    let irq = irq();
    server.thread().register_deletion_irq(irq.as_cap()).unwrap();
    let make = || own::factory().create_gate(server.thread(), 0).unwrap();
    let gates = [make(), make()];
    drop(gates);
    assert_eq!(wait().label, 0x66);
    assert!(!wait_for(Timeout::ZERO).came());
}

pub(crate) fn only_one_interrupt_can_be_registered() {
    let server = spawn(|| ());
    let [first, second] = [irq(), irq()];
    let thread = server.thread();
    assert_eq!(thread.register_deletion_irq(first.as_cap()), Ok(()));
    let busy = refused(ResultCode::EBUSY);
    assert_eq!(thread.register_deletion_irq(second.as_cap()), busy);
}

pub(crate) fn an_interrupt_with_write_right_is_needed() {
    let server = spawn(|| ());
    let irq = irq();
    let weak = own::copy(irq.as_cap(), CapabilityRights::RS);
    let denied = server.thread().register_deletion_irq(weak.as_cap());
    assert_eq!(denied, refused(ResultCode::EPERM));
    let invalid: Outcome = refused(ResultCode::EINVAL);
    let request = Message::new(label::THREAD).words(&[5]);
    assert_eq!(request.call(*server.thread()).outcome(), invalid);
    let task = request.capability(own::task(), CapabilityRights::RWS);
    assert_eq!(task.call(*server.thread()).outcome(), invalid);
}
