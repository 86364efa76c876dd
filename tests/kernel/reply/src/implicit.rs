//! The slot that every thread has.

use l4_test::abi::error::IpcError;
use l4_test::abi::operation::Operation;
use l4_test::abi::protocol::label;
use l4_test::abi::timeout::Timeout;
use l4_test::message::{nobody, receive, wait, wait_for};
use l4_test::sys::Selector;
use l4_test::{Message, Outcome, Worker, failed, own, spawn};

pub(crate) const EMPTY: Outcome = failed(IpcError::NOT_EXISTENT);

/// A thread that calls the runner and tells what came of it.
pub(crate) fn caller(label: i64) -> Worker<Outcome> {
    spawn(move || Message::new(label).call(*own::thread()).outcome())
}

pub(crate) fn an_empty_slot_does_not_exist() {
    assert_eq!(Message::new(0).reply().outcome(), EMPTY);
}

pub(crate) fn an_answer_is_given_once() {
    let caller = caller(1);
    assert_eq!(wait().outcome(), Ok(1));
    assert_eq!(Message::new(2).reply().outcome(), Ok(2));
    assert_eq!(Message::new(3).reply().outcome(), EMPTY);
    assert_eq!(caller.join(), Ok(2));
}

pub(crate) fn an_empty_slot_is_followed_by_no_wait() {
    let caller = caller(1);
    assert_eq!(Message::new(0).reply_and_wait().outcome(), EMPTY);
    assert_eq!(wait().outcome(), Ok(1));
    Message::new(0).reply();
    assert_eq!(caller.join(), Ok(0));
}

pub(crate) fn a_send_makes_no_reply_capability() {
    let _sender = spawn(|| {
        Message::new(1).send(*own::thread());
    });
    assert_eq!(wait().outcome(), Ok(1));
    assert_eq!(Message::new(0).reply().outcome(), EMPTY);
}

pub(crate) fn a_send_leaves_the_slot_alone() {
    let caller = caller(1);
    wait();
    let _sender = spawn(|| {
        Message::new(2).send(*own::thread());
    });
    assert_eq!(wait().outcome(), Ok(2));
    Message::new(3).reply();
    assert_eq!(caller.join(), Ok(3));
}

pub(crate) fn a_wait_in_vain_leaves_the_slot_alone() {
    let caller = caller(1);
    wait();
    assert!(!wait_for(Timeout::ZERO).came());
    assert!(!wait_for(Timeout::from_micros(1000)).came());
    Message::new(3).reply();
    assert_eq!(caller.join(), Ok(3));
}

pub(crate) fn a_kernel_object_leaves_the_slot_alone() {
    let caller = caller(1);
    wait();
    drop(own::factory().create_irq().unwrap());
    own::scheduler().info().unwrap();
    Message::new(3).reply();
    assert_eq!(caller.join(), Ok(3));
}

pub(crate) fn a_failed_answer_uses_the_slot_up() {
    let caller = caller(1);
    wait();
    // An item that is neither void nor a map item.
    let reply = Message::new(0).raw_item(0x1000, 0).reply();
    assert_eq!(reply.outcome(), failed(IpcError::SEND_OVERFLOW));
    assert_eq!(Message::new(0).reply().outcome(), EMPTY);
    assert_eq!(caller.join(), failed(IpcError::RECEIVE_OVERFLOW));
}

pub(crate) fn an_answer_by_another_way_uses_the_slot_up() {
    let caller = caller(1);
    wait();
    let answer = Message::new(2).send(*caller.thread());
    assert_eq!(answer.outcome(), Ok(2));
    assert_eq!(Message::new(3).reply().outcome(), EMPTY);
    assert_eq!(caller.join(), Ok(2));
}

pub(crate) fn the_send_of_a_third_thread_leaves_the_slot_alone() {
    let caller = caller(1);
    wait();
    let thread = caller.thread();
    let third = spawn(move || {
        let message = Message::new(9).send_timeout(Timeout::ZERO);
        message.send(*thread).outcome()
    });
    assert_eq!(third.join(), failed(IpcError::SEND_TIMEOUT));
    Message::new(3).reply();
    assert_eq!(caller.join(), Ok(3));
}

pub(crate) fn a_caller_that_gave_up_cannot_be_answered() {
    let caller = spawn(|| {
        let message = Message::new(1).receive_timeout(Timeout::from_micros(2000));
        message.call(*own::thread()).outcome()
    });
    wait();
    assert_eq!(caller.join(), failed(IpcError::RECEIVE_TIMEOUT));
    assert_eq!(Message::new(0).reply().outcome(), EMPTY);
}

pub(crate) fn a_closed_wait_makes_no_reply_capability() {
    let caller = caller(1);
    let reply = receive(*caller.thread(), Timeout::NEVER);
    assert_eq!(reply.outcome(), Ok(1));
    assert_eq!(Message::new(0).reply().outcome(), EMPTY);
    assert_eq!(Message::new(4).send(*caller.thread()).outcome(), Ok(4));
    assert_eq!(caller.join(), Ok(4));
}

pub(crate) fn reply_and_receive_waits_for_the_caller() {
    let caller = spawn(|| {
        let first = Message::new(1).call(*own::thread()).outcome();
        let _other = spawn(|| {
            Message::new(9).send(*own::thread());
        });
        Message::new(5).send(*own::thread());
        first
    });
    wait();
    let operation = Operation::SEND_REPLY | Operation::RECEIVE;
    let reply = Message::new(2).operate(Selector::INVALID, operation);
    assert_eq!(reply.outcome(), Ok(5));
    assert_eq!(
        receive(nobody(), Timeout::ZERO).outcome(),
        failed(IpcError::RECEIVE_TIMEOUT)
    );
    assert_eq!(caller.join(), Ok(2));
}

pub(crate) fn a_receive_without_answer_uses_the_slot_up() {
    let caller = caller(1);
    wait();
    let message = Message::new(0).receive_timeout(Timeout::ZERO);
    let reply = message.operate(Selector::INVALID, Operation::REPLY | Operation::RECEIVE);
    assert_eq!(reply.outcome(), failed(IpcError::RECEIVE_TIMEOUT));
    assert_eq!(Message::new(0).reply().outcome(), EMPTY);
    assert_eq!(Message::new(4).send(*caller.thread()).outcome(), Ok(4));
    assert_eq!(caller.join(), Ok(4));
}

pub(crate) fn an_answer_with_the_label_of_a_request_is_an_answer() {
    for label in [label::THREAD, label::KERNEL_OBJECT, label::TASK] {
        let caller = spawn(move || Message::new(1).call(*own::thread()).tag.label());
        wait();
        assert!(Message::new(label).words(&[3]).reply().came());
        assert_eq!(caller.join(), label);
    }
}
