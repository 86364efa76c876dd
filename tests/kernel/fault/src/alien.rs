//! Threads whose system calls are exceptions.

use l4_test::abi::error::IpcError;
use l4_test::abi::exception::ALLOW_SYSCALL;
use l4_test::abi::timeout::Timeout;
use l4_test::fault::spawn_paged;
use l4_test::memory::{UNUSED, load};
use l4_test::message::{nobody, receive, wait};
use l4_test::sys::object::Control;
use l4_test::worker::settle;
use l4_test::{Message, Outcome, Worker, failed};

use crate::arch;
use crate::handler::{answer, await_exception};

/// A thread that becomes an alien, and then does this.
fn alien<R: 'static>(body: impl FnOnce() -> R + 'static) -> Worker<R> {
    let worker = spawn_paged(move || {
        wait();
        body()
    });
    settle();
    let control = Control {
        alien: Some(true),
        ..Control::default()
    };
    worker.thread().control(control).unwrap();
    Message::new(0).send(*worker.thread());
    worker
}

/// A system call that times out at once.
fn call() -> Outcome {
    receive(nobody(), Timeout::ZERO).outcome()
}

pub(crate) fn every_system_call_is_two_exceptions() {
    let worker = alien(call);
    let before = await_exception();
    assert!(arch::is_system_call(&before), "{before:?}");
    answer(ALLOW_SYSCALL, &before);
    let after = await_exception();
    assert!(arch::is_executed_system_call(&after), "{after:?}");
    let place = before.instruction_pointer() + arch::SYSTEM_CALL;
    assert_eq!(after.instruction_pointer(), place);
    let control = Control {
        alien: Some(false),
        ..Control::default()
    };
    worker.thread().control(control).unwrap();
    answer(0, &after);
    assert_eq!(worker.join(), failed(IpcError::RECEIVE_TIMEOUT));
}

pub(crate) fn registers_that_user_mode_writes_itself_are_told() {
    let worker = alien(|| {
        arch::set_own_register(arch::OWN_VALUE);
        let _ = call();
        arch::own_register()
    });
    let before = await_exception();
    assert_eq!(arch::told_own_register(&before), arch::OWN_VALUE);
    answer(ALLOW_SYSCALL, &before);
    let after = await_exception();
    assert_eq!(arch::told_own_register(&after), arch::OWN_VALUE);
    let control = Control {
        alien: Some(false),
        ..Control::default()
    };
    worker.thread().control(control).unwrap();
    answer(0, &after);
    assert_eq!(worker.join(), arch::OWN_VALUE);
}

pub(crate) fn a_system_call_can_be_refused() {
    let _worker = alien(call);
    let first = await_exception();
    answer(0, &first);
    let again = await_exception();
    assert_eq!(again.instruction_pointer(), first.instruction_pointer());
    assert!(arch::is_system_call(&again), "{again:?}");
}

pub(crate) fn a_page_fault_is_an_exception() {
    let _worker = alien(|| load(UNUSED + 8));
    let frame = await_exception();
    assert!(arch::is_page_fault(&frame, UNUSED + 8), "{frame:?}");
}
