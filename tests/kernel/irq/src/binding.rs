//! Which thread an interrupt goes to.

use l4_test::abi::error::ResultCode;
use l4_test::abi::protocol::label;
use l4_test::abi::rights::CapabilityRights;
use l4_test::message::wait;
use l4_test::sys::Cap;
use l4_test::sys::object::Irq;
use l4_test::{Message, Outcome, own, refused, spawn};

use crate::trigger::{irq, is_quiet, own_irq};

/// The result of detaching `irq`: what there was.
fn detach(irq: Cap<Irq>) -> Outcome {
    Message::new(label::IRQ_SENDER)
        .words(&[1])
        .call(*irq)
        .outcome()
}

pub(crate) fn what_came_before_is_one_message() {
    let irq = irq();
    irq.trigger().unwrap();
    irq.trigger().unwrap();
    irq.bind_thread(own::thread(), 5).unwrap();
    assert_eq!(wait().label, 5);
    assert!(is_quiet());
}

pub(crate) fn binding_again_changes_the_label_of_a_queued_message() {
    let irq = own_irq(1);
    irq.trigger().unwrap();
    irq.bind_thread(own::thread(), 2).unwrap();
    assert_eq!(wait().label, 2);
    assert!(is_quiet());
}

pub(crate) fn another_thread_takes_a_queued_message_over() {
    let irq = own_irq(1);
    irq.trigger().unwrap();
    let other = spawn(|| wait().label);
    irq.bind_thread(other.thread(), 2).unwrap();
    assert!(is_quiet());
    assert_eq!(other.join(), 2);
}

pub(crate) fn detaching_tells_what_there_was() {
    let irq = irq();
    assert_eq!(detach(irq.as_cap()), refused(ResultCode::ENOENT));
    irq.bind_thread(own::thread(), 1).unwrap();
    assert_eq!(detach(irq.as_cap()), Ok(0));
    assert_eq!(detach(irq.as_cap()), refused(ResultCode::ENOENT));
    irq.bind_thread(own::thread(), 1).unwrap();
    irq.trigger().unwrap();
    assert_eq!(detach(irq.as_cap()), Ok(1));
}

pub(crate) fn a_message_in_the_queue_is_kept_for_the_next_thread() {
    let irq = own_irq(1);
    irq.trigger().unwrap();
    detach(irq.as_cap()).unwrap();
    assert!(is_quiet());
    irq.bind_thread(own::thread(), 2).unwrap();
    assert_eq!(wait().label, 2);
}

pub(crate) fn a_message_survives_its_thread() {
    let busy = spawn(|| l4_test::sys::ipc::sleep_forever());
    let irq = irq();
    irq.bind_thread(busy.thread(), 1).unwrap();
    irq.trigger().unwrap();
    drop(busy);
    assert_eq!(detach(irq.as_cap()), refused(ResultCode::ENOENT));
    irq.bind_thread(own::thread(), 2).unwrap();
    assert_eq!(wait().label, 2);
}

pub(crate) fn an_idle_interrupt_stays_bound_to_a_dead_thread() {
    let [idle, hit] = [irq(), irq()];
    let thread = spawn(|| ());
    idle.bind_thread(thread.thread(), 1).unwrap();
    hit.bind_thread(thread.thread(), 1).unwrap();
    drop(thread);
    assert_eq!(detach(idle.as_cap()), Ok(0));
    hit.trigger().unwrap();
    assert_eq!(detach(hit.as_cap()), Ok(1));
}

pub(crate) fn the_special_right_is_needed_on_both() {
    let irq = irq();
    let weak_irq = own::copy(irq.as_cap(), CapabilityRights::RW);
    let weak_thread = own::copy(own::thread(), CapabilityRights::RW);
    let refusal = refused(ResultCode::EPERM);
    assert_eq!(weak_irq.bind_thread(own::thread(), 0), refusal);
    assert_eq!(irq.bind_thread(weak_thread.as_cap(), 0), refusal);
}

pub(crate) fn a_thread_is_needed() {
    let irq = irq();
    let bind = Message::new(label::KERNEL_OBJECT).words(&[0x10, 0]);
    let wrong: Outcome = refused(ResultCode::EINVAL);
    assert_eq!(bind.call(**irq).outcome(), wrong);
    let task = bind.capability(own::task(), CapabilityRights::RWS);
    assert_eq!(task.call(**irq).outcome(), wrong);
}
