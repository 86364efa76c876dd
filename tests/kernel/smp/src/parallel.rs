//! Threads on all CPUs at the same time.

use core::hint::spin_loop;
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use l4_test::{Worker, spawn_on};

use crate::cpus::online;

/// The CPUs but the first, on which the runner is.
pub(crate) fn others() -> impl Iterator<Item = u32> {
    let online = online();
    (1..u64::BITS).filter(move |cpu| online >> cpu & 1 != 0)
}

/// Waits until something has happened, and leaves the CPU to nobody.
pub(crate) fn wait_until(happened: impl Fn() -> bool) {
    while !happened() {
        spin_loop();
    }
}

static ARRIVED: AtomicU64 = AtomicU64::new(0);

/// Each thread goes on when all are there, so none can run after the other.
pub(crate) fn a_thread_runs_on_each_cpu() {
    let count = others().count() as u64;
    ARRIVED.store(0, SeqCst);
    let mut workers: [Option<Worker<()>>; 64] = [const { None }; 64];
    for (cpu, place) in others().zip(&mut workers) {
        *place = Some(spawn_on(cpu, move || {
            ARRIVED.fetch_add(1, SeqCst);
            wait_until(|| ARRIVED.load(SeqCst) > count);
        }));
    }
    ARRIVED.fetch_add(1, SeqCst);
    wait_until(|| ARRIVED.load(SeqCst) > count);
    for worker in workers.into_iter().flatten() {
        worker.join();
    }
}
