//! Calls and answers.

use l4_test::message::{wait, word};
use l4_test::{Message, spawn};

pub(crate) fn a_call_brings_the_answer() {
    let server = spawn(|| {
        wait();
        let sum = word(0) + word(1);
        Message::new(3).words(&[sum]).reply();
    });
    let reply = Message::new(7).words(&[30, 12]).call(*server.thread());
    assert_eq!((reply.outcome(), word(0)), (Ok(3), 42));
}
