//! A caller whose reply capability is lost must learn it: nobody can answer it any more.
//!
//! Its closed wait ends with error 7 as if it were cancelled, so that a client of a restarted
//! server goes on.

use l4_test::abi::error::IpcError;
use l4_test::message::wait;
use l4_test::{Message, Outcome, failed, spawn};

use crate::explicit::{answer, wait_into};
use crate::implicit::caller;

const LOST: Outcome = failed(IpcError::RECEIVE_CANCELED);

pub(crate) fn an_overwritten_caller_gets_an_error() {
    let [first, second] = [1, 2].map(caller);
    wait();
    wait();
    assert_eq!(first.join(), LOST);
    Message::new(3).reply();
    assert_eq!(second.join(), Ok(3));
}

pub(crate) fn a_caller_of_a_destroyed_thread_gets_an_error() {
    let server = spawn(|| {
        wait();
        wait();
    });
    let thread = server.thread();
    let caller = spawn(move || Message::new(1).call(*thread).outcome());
    assert!(!server.has_ended() && !caller.has_ended());
    drop(server);
    assert_eq!(caller.join(), LOST);
}

pub(crate) fn a_caller_in_an_overwritten_explicit_slot_gets_an_error() {
    let [first, second] = [1, 2].map(caller);
    assert!(wait_into(4).came());
    assert!(wait_into(4).came());
    assert_eq!(first.join(), LOST);
    assert_eq!(answer(4, 5).outcome(), Ok(5));
    assert_eq!(second.join(), Ok(5));
}

pub(crate) fn a_caller_in_an_explicit_slot_learns_that_the_called_thread_is_gone() {
    // The slot is the task's, which goes on.
    let server = spawn(|| {
        wait_into(9);
        wait();
    });
    let thread = server.thread();
    let caller = spawn(move || Message::new(1).call(*thread).outcome());
    assert!(!server.has_ended() && !caller.has_ended());
    drop(server);
    assert_eq!(caller.join(), LOST);
}
