//! A handler of exceptions sees the state of who raised one, if it inherits it.

use l4_test::abi::exception::FRAME_WORDS;
use l4_test::abi::message_tag::TagFlags;
use l4_test::abi::protocol::label;
use l4_test::fault::{spawn_paged, spawn_paged_by};
use l4_test::message::{wait, word};
use l4_test::{Message, Worker, spawn};

use crate::arch::{get, set, set_and_raise, skip};
use crate::transfer::inherit;

/// A thread that raises an exception with 7 in a register, and returns the register.
fn worker() -> Worker<u64> {
    spawn_paged(|| {
        set_and_raise(7);
        get()
    })
}

/// Waits for the exception; the registers, behind the instruction.
fn await_exception() -> [u64; FRAME_WORDS] {
    let reply = wait();
    assert_eq!(reply.tag.label(), label::EXCEPTION);
    skip(core::array::from_fn(word))
}

pub(crate) fn the_handler_can_inherit_it() {
    for (inherits, expected) in [(true, 7), (false, 1)] {
        let worker = worker();
        set(1);
        inherit(inherits);
        let frame = await_exception();
        inherit(false);
        assert_eq!(get(), expected);
        // Sent back, for a kernel that moves it.
        Message::new(0)
            .words(&frame)
            .flags(match inherits {
                true => TagFlags::TRANSFER_FPU,
                false => TagFlags::empty(),
            })
            .reply();
        assert_eq!(worker.join(), 7);
    }
}

/// The handler has no state of its own, and gives back what it got.
pub(crate) fn a_handler_that_never_uses_it_gives_it_back() {
    let handler = spawn(|| {
        inherit(true);
        let frame = await_exception();
        let answer = Message::new(0).words(&frame);
        answer.flags(TagFlags::TRANSFER_FPU).reply();
    });
    let worker = spawn_paged_by(handler.thread(), || {
        set_and_raise(7);
        get()
    });
    assert_eq!(worker.join(), 7);
    handler.join();
}

pub(crate) fn the_handler_can_replace_it() {
    let worker = worker();
    let frame = await_exception();
    set(8);
    let answer = Message::new(0).words(&frame);
    assert!(answer.flags(TagFlags::TRANSFER_FPU).reply().came());
    assert_eq!(worker.join(), 8);
}
