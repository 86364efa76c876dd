//! Exceptions that somebody else triggers.

use l4_test::abi::protocol::thread::ExRegsFlags;
use l4_test::abi::timeout::Timeout;
use l4_test::fault::spawn_paged;
use l4_test::message::{nobody, receive};
use l4_test::worker::settle;

use crate::arch;
use crate::handler::{answer, await_exception};

pub(crate) fn a_triggered_exception_comes_before_the_next_instruction() {
    let worker = spawn_paged(|| 7);
    worker
        .thread()
        .ex_regs(None, None, ExRegsFlags::TRIGGER_EXCEPTION)
        .unwrap();
    let frame = await_exception();
    assert!(arch::is_triggered(&frame), "{frame:?}");
    answer(0, &frame);
    assert_eq!(worker.join(), 7);
}

pub(crate) fn it_tells_the_registers_that_were_given() {
    let worker = spawn_paged(|| receive(nobody(), Timeout::NEVER));
    settle();
    let flags = ExRegsFlags::TRIGGER_EXCEPTION | ExRegsFlags::CANCEL;
    let thread = worker.thread();
    thread.ex_regs(Some(0x1230), Some(0x5670), flags).unwrap();
    let frame = await_exception();
    assert!(arch::is_triggered(&frame), "{frame:?}");
    assert_eq!(frame.instruction_pointer(), 0x1230);
    assert_eq!(frame.stack_pointer(), 0x5670);
}
