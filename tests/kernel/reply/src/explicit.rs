//! Slots of the task that a server chooses, to answer later.

use l4_test::abi::error::IpcError;
use l4_test::abi::operation::Operation;
use l4_test::abi::timeout::Timeout;
use l4_test::message::wait;
use l4_test::sys::Selector;
use l4_test::{Message, Reply, failed, spawn};

use crate::implicit::{EMPTY, caller};

/// Waits for anyone, and puts callers into slot `index`.
pub(crate) fn wait_into(index: u64) -> Reply {
    let message = Message::new(0).receive_timeout(Timeout::from_micros(50_000));
    message.operate(Selector::reply(index), Operation::WAIT)
}

/// Answers the caller in slot `index`.
pub(crate) fn answer(index: u64, label: i64) -> Reply {
    Message::new(label).operate(Selector::reply(index), Operation::SEND_REPLY)
}

pub(crate) fn a_caller_can_be_answered_late_and_out_of_order() {
    let callers = [1, 2, 3].map(caller);
    for index in [5, 6, 700] {
        assert!(wait_into(index).came());
    }
    for (index, label) in [(700, 33), (5, 11), (6, 22)] {
        assert_eq!(answer(index, label).outcome(), Ok(label));
    }
    assert_eq!(
        callers.map(|caller| caller.join()),
        [Ok(11), Ok(22), Ok(33)]
    );
    assert_eq!(answer(5, 0).outcome(), EMPTY);
}

pub(crate) fn only_the_called_thread_can_answer() {
    let _caller = caller(1);
    assert!(wait_into(8).came());
    // All threads of a task share the slots, but the caller waits for the one that it called.
    let other = spawn(|| {
        let message = Message::new(2).send_timeout(Timeout::ZERO);
        let reply = message.operate(Selector::reply(8), Operation::SEND_REPLY);
        reply.outcome()
    });
    assert_eq!(other.join(), failed(IpcError::SEND_TIMEOUT));
}

pub(crate) fn an_empty_slot_leaves_the_implicit_one_alone() {
    let caller = caller(1);
    wait();
    assert_eq!(answer(9, 0).outcome(), EMPTY);
    assert_eq!(Message::new(2).reply().outcome(), Ok(2));
    assert_eq!(caller.join(), Ok(2));
}

pub(crate) fn an_index_beyond_the_slots_cannot_be_used() {
    assert_eq!(
        wait_into(1 << 18).outcome(),
        failed(IpcError::NO_REPLY_CAPABILITY)
    );
    assert_eq!(answer(1 << 18, 0).outcome(), EMPTY);
}

pub(crate) fn both_special_bits_mean_the_implicit_slot() {
    let caller = caller(1);
    let message = Message::new(0).receive_timeout(Timeout::from_micros(50_000));
    let reply = message.operate(Selector::INVALID_REPLY, Operation::WAIT);
    assert_eq!(reply.outcome(), Ok(1));
    assert_eq!(Message::new(2).reply().outcome(), Ok(2));
    assert_eq!(caller.join(), Ok(2));
}
