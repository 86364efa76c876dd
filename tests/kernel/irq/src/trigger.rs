//! Software triggers.

use l4_test::abi::error::IpcError;
use l4_test::abi::message_tag::MessageTag;
use l4_test::abi::protocol::label;
use l4_test::abi::rights::CapabilityRights;
use l4_test::abi::timeout::Timeout;
use l4_test::message::{receive, wait, wait_for};
use l4_test::sys::OwnedCap;
use l4_test::sys::object::Irq;
use l4_test::{Message, Outcome, failed, own, spawn};

pub(crate) const NOTHING: Outcome = failed(IpcError::RECEIVE_TIMEOUT);

pub(crate) fn irq() -> OwnedCap<Irq> {
    own::factory().create_irq().unwrap()
}

/// An interrupt of the runner.
pub(crate) fn own_irq(label: u64) -> OwnedCap<Irq> {
    let irq = irq();
    irq.bind_thread(own::thread(), label).unwrap();
    irq
}

/// Whether nothing is queued at the runner.
pub(crate) fn is_quiet() -> bool {
    wait_for(Timeout::ZERO).outcome() == NOTHING
}

pub(crate) fn it_arrives_with_its_label_and_nothing_else() {
    let irq = own_irq(0x1234_5678_9abc_def7);
    irq.trigger().unwrap();
    let reply = wait();
    assert_eq!(reply.tag, MessageTag::EMPTY);
    assert_eq!(reply.label, 0x1234_5678_9abc_def7);
    assert!(is_quiet());
}

pub(crate) fn triggers_before_the_receipt_are_one_message() {
    let irq = own_irq(1);
    for _ in 0..5 {
        irq.trigger().unwrap();
    }
    assert!(wait().came());
    assert!(is_quiet());
}

pub(crate) fn it_arrives_again_after_the_receipt() {
    let irq = own_irq(1);
    for _ in 0..3 {
        irq.trigger().unwrap();
        assert!(wait().came());
    }
    irq.trigger().unwrap();
    irq.trigger().unwrap();
    assert!(wait().came());
    irq.trigger().unwrap();
    assert!(wait().came());
}

pub(crate) fn the_read_right_is_enough() {
    let irq = own_irq(7);
    let copy = own::copy(irq.as_cap(), CapabilityRights::READ);
    copy.trigger().unwrap();
    assert_eq!(wait().label, 7);
}

pub(crate) fn a_closed_wait_takes_only_this_interrupt() {
    let [first, second] = [own_irq(1), own_irq(2)];
    let _sender = spawn(|| {
        Message::new(3).send(*own::thread());
    });
    first.trigger().unwrap();
    assert_eq!(receive(**second, Timeout::ZERO).outcome(), NOTHING);
    second.trigger().unwrap();
    assert_eq!(receive(**second, Timeout::ZERO).label, 2);
    assert_eq!(receive(**first, Timeout::ZERO).label, 1);
    assert_eq!(wait().outcome(), Ok(3));
}

pub(crate) fn a_call_brings_the_own_message() {
    let irq = own_irq(9);
    let reply = Message::new(label::IRQ).call(**irq);
    assert_eq!((reply.tag, reply.label), (MessageTag::EMPTY, 9));
}

pub(crate) fn a_destroyed_interrupt_withdraws_its_message() {
    let irq = own_irq(1);
    irq.trigger().unwrap();
    drop(irq);
    assert!(is_quiet());
}
