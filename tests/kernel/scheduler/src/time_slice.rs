//! Round robin within a priority.

use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use l4_test::abi::protocol::scheduler::CpuSet;
use l4_test::abi::timeout::Timeout;
use l4_test::message::{nobody, receive};
use l4_test::sys::ipc::yield_now;
use l4_test::{Worker, kip, own, spawn_at, suite};

use crate::trace::sleep;

/// Below the runner, which watches.
const PRIORITY: u8 = suite::PRIORITY - 10;

/// The thread that runs, and how often that changed.
static LAST: AtomicU64 = AtomicU64::new(0);
static TURNS: AtomicU64 = AtomicU64::new(0);
/// Two threads that do `step` again and again for `time` µs.
fn take_turns(time: u64, quantum: u64, step: fn()) -> u64 {
    LAST.store(0, SeqCst);
    TURNS.store(0, SeqCst);
    let end = kip::micros() + time;
    let workers: [Worker<()>; 2] = [1, 2].map(|number| {
        let worker = spawn_at(PRIORITY, move || {
            while kip::micros() < end {
                note_turn(number);
                step();
            }
        });
        own::scheduler()
            .run_thread(worker.thread(), CpuSet::ALL, PRIORITY, quantum)
            .unwrap();
        worker
    });
    sleep(time + 1000);
    for worker in workers {
        worker.join();
    }
    TURNS.load(SeqCst)
}

fn note_turn(number: u64) {
    if LAST.swap(number, SeqCst) != number {
        TURNS.fetch_add(1, SeqCst);
    }
}

pub(crate) fn equal_threads_take_turns() {
    let turns = take_turns(200_000, 0, || ());
    assert!(
        (19..=21).contains(&turns),
        "{turns} turns in 20 time slices"
    );
}

pub(crate) fn a_quantum_is_as_long_as_asked() {
    let turns = take_turns(200_000, 30_000, || ());
    assert!((6..=8).contains(&turns), "{turns} turns in 7 time slices");
}

pub(crate) fn short_sleeps_take_turns() {
    let turns = take_turns(20_000, 0, || {
        receive(nobody(), Timeout::from_micros(10));
    });
    assert!(turns >= 5, "{turns} turns");
}

pub(crate) fn yielding_threads_take_turns() {
    let turns = take_turns(20_000, 0, yield_now);
    assert!(turns >= 5, "{turns} turns");
}
