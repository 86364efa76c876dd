//! The time that threads use, and giving it away.

use core::sync::atomic::{AtomicBool, Ordering::SeqCst};

use l4_test::abi::protocol::scheduler::CpuSet;
use l4_test::abi::timeout::Timeout;
use l4_test::message::{nobody, receive};
use l4_test::suite::PRIORITY;
use l4_test::{kip, own, spawn, spawn_at};

/// Works for this many µs.
fn work(time: u64) {
    let end = kip::micros() + time;
    while kip::micros() < end {
        core::hint::spin_loop();
    }
}

pub(crate) fn a_running_thread_uses_time() {
    let worker = spawn(|| work(20_000));
    let time = worker.thread().time().unwrap();
    assert!((19_900..21_000).contains(&time), "{time} µs");
}

pub(crate) fn a_sleeping_thread_uses_none() {
    let sleeper = spawn(|| receive(nobody(), Timeout::NEVER));
    let before = sleeper.thread().time().unwrap();
    work(20_000);
    let used = sleeper.thread().time().unwrap() - before;
    assert!(used < 100, "{used} µs");
}

pub(crate) fn the_rest_of_the_time_slice_can_be_given_away() {
    static RAN: AtomicBool = AtomicBool::new(false);
    RAN.store(false, SeqCst);
    let low = spawn_at(PRIORITY - 10, || RAN.store(true, SeqCst));
    assert!(!RAN.load(SeqCst));
    // With a time slice that has just begun.
    own::scheduler()
        .run_thread(own::thread(), CpuSet::ALL, PRIORITY, 0)
        .unwrap();
    low.thread().switch_to().unwrap();
    assert!(RAN.load(SeqCst));
}

pub(crate) fn nothing_is_given_to_oneself_or_to_a_sleeper() {
    assert_eq!(own::thread().switch_to(), Ok(()));
    let sleeper = spawn(|| receive(nobody(), Timeout::NEVER));
    assert_eq!(sleeper.thread().switch_to(), Ok(()));
    assert!(!sleeper.has_ended());
}
