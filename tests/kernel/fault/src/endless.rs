//! Threads that never get to user mode, as no CPU loads their registers.

use core::time::Duration;

use l4_test::abi::exception::{ExceptionFrame, FRAME_WORDS};
use l4_test::fault::spawn_paged;
use l4_test::message::wait;
use l4_test::own;
use l4_test::sys::object::{Control, Thread};
use l4_test::sys::{Cap, Object, Selector, Utcb, ipc};

use crate::arch;
use crate::handler::{answer, await_exception};

fn handle_by(thread: Cap<Thread>, exception_handler: Selector) {
    let control = Control {
        exception_handler: Some(exception_handler),
        ..Control::default()
    };
    thread.control(control).unwrap();
}

/// The timer must come while they fault.
fn sleep() {
    for _ in 0..20 {
        ipc::sleep(Duration::from_micros(500));
    }
}

pub(crate) fn exceptions_that_nobody_takes_let_others_run() {
    let semaphore = own::factory().create_semaphore().unwrap();
    let worker = spawn_paged(|| arch::undefined(0));
    let mut frame = await_exception();
    handle_by(worker.thread(), semaphore.selector());
    arch::make_refused(&mut frame);
    answer(0, &frame);
    sleep();
}

pub(crate) fn exceptions_that_answer_each_other_let_others_run() {
    let second = spawn_paged(|| {
        wait();
        fault_with_refused_registers();
    });
    let first = spawn_paged(fault_with_refused_registers);
    handle_by(first.thread(), second.selector());
    handle_by(second.thread(), first.selector());
    sleep();
}

/// Tells the handler of an exception. If that waits for an answer to one of its own, it is this:
/// the registers that are in this thread's message registers.
fn fault_with_refused_registers() {
    let mut frame = ExceptionFrame::from_words(&[0; FRAME_WORDS]);
    arch::make_refused(&mut frame);
    Utcb::current().set_messages(&frame.to_words());
    arch::undefined(0);
}
