//! How a test's end is told (`l4_test::suite`): a test fails once, however many of its threads panic.
#![no_std]
#![no_main]

use core::time::Duration;

use l4_test::sys::ipc;
use l4_test::{kip, spawn};

l4_test::suite![two_threads_panic];

/// Both are more urgent than the runner: it cannot destroy the second one before that has panicked.
fn two_threads_panic() {
    for worker in [spawn(panic_soon), spawn(panic_later)] {
        worker.join();
    }
}

fn panic_soon() {
    ipc::sleep(Duration::from_millis(20));
    panic!("one of two");
}

fn panic_later() {
    let start = kip::micros();
    while kip::micros() < start + 500_000 {}
    panic!("one of two");
}
