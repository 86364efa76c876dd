//! Cancelling by ex_regs, and what becomes of the partners of a destroyed thread.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use l4_test::abi::error::IpcError;
use l4_test::abi::protocol::thread::ExRegsFlags;
use l4_test::abi::timeout::Timeout;
use l4_test::message::{nobody, receive, wait};
use l4_test::sys::Cap;
use l4_test::sys::object::Thread;
use l4_test::worker::settle;
use l4_test::{Message, Outcome, failed, own, spawn};

fn cancel(thread: Cap<Thread>) {
    thread.ex_regs(None, None, ExRegsFlags::CANCEL).unwrap();
}

pub(crate) fn a_blocked_send_is_cancelled() {
    let sender = spawn(|| Message::new(0).send(*own::thread()).outcome());
    cancel(sender.thread());
    assert_eq!(sender.join(), failed(IpcError::SEND_CANCELED));
}

pub(crate) fn a_blocked_receive_is_cancelled() {
    let receiver = spawn(|| wait().outcome());
    cancel(receiver.thread());
    assert_eq!(receiver.join(), failed(IpcError::RECEIVE_CANCELED));

    let caller = spawn(|| Message::new(0).call(*own::thread()).outcome());
    assert_eq!(wait().outcome(), Ok(0));
    cancel(caller.thread());
    assert_eq!(caller.join(), failed(IpcError::RECEIVE_CANCELED));
}

pub(crate) fn a_sleep_is_cancelled() {
    let sleeper = spawn(|| receive(nobody(), Timeout::NEVER).outcome());
    cancel(sleeper.thread());
    assert_eq!(sleeper.join(), failed(IpcError::RECEIVE_CANCELED));
}

static ARRIVED: AtomicBool = AtomicBool::new(false);

extern "C" fn landing() -> ! {
    ARRIVED.store(true, SeqCst);
    loop {
        receive(nobody(), Timeout::NEVER);
    }
}

pub(crate) fn a_cancelled_thread_goes_on_where_it_is_told() {
    ARRIVED.store(false, SeqCst);
    let sleeper = spawn(|| receive(nobody(), Timeout::NEVER));
    let target = landing as *const () as u64;
    let old = (sleeper.thread())
        .ex_regs(Some(target), None, ExRegsFlags::CANCEL)
        .unwrap();
    assert_ne!(old.instruction_pointer, target);
    settle();
    assert!(ARRIVED.load(SeqCst) && !sleeper.has_ended());
}

pub(crate) fn a_running_thread_is_not_cancelled_later() {
    static STEP: AtomicU64 = AtomicU64::new(0);
    STEP.store(0, SeqCst);
    let worker = l4_test::spawn_at(l4_test::suite::PRIORITY - 1, || {
        STEP.store(1, SeqCst);
        while STEP.load(SeqCst) == 1 {
            core::hint::spin_loop();
        }
        receive(nobody(), Timeout::from_micros(2000)).outcome()
    });
    while STEP.load(SeqCst) == 0 {
        receive(nobody(), Timeout::from_micros(2000));
    }
    cancel(worker.thread());
    STEP.store(2, SeqCst);
    assert_eq!(worker.join(), failed(IpcError::RECEIVE_TIMEOUT));
}

pub(crate) fn senders_of_a_destroyed_thread_are_cancelled() {
    let busy = spawn(|| receive(nobody(), Timeout::NEVER));
    let thread = busy.thread();
    let sender = spawn(move || Message::new(0).send(*thread).outcome());
    drop(busy);
    assert_eq!(sender.join(), failed(IpcError::SEND_CANCELED));
}

pub(crate) fn a_destroyed_thread_is_not_found() {
    let worker = spawn(wait);
    let gate = own::factory().create_gate(worker.thread(), 0).unwrap();
    let thread = worker.thread();
    drop(worker);
    let gone: Outcome = failed(IpcError::NOT_EXISTENT);
    assert_eq!(Message::new(0).send(*thread).outcome(), gone);
    // A gate stays bound to its thread, and says so to who would wait for ever.
    assert_eq!(Message::new(0).send(**gate).outcome(), gone);
}
