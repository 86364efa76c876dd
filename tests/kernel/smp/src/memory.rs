//! Kernel memory, which is freed when no CPU can be looking at it.

use core::hint::spin_loop;
use core::sync::atomic::{AtomicBool, Ordering::SeqCst};

use l4_test::{Worker, own, spawn_on};

use crate::parallel::others;

/// Bytes that are enough for a few threads, but not for many.
const QUOTA: u64 = 128 << 10;

static STOP: AtomicBool = AtomicBool::new(false);

/// As [`what_is_deleted_can_be_used_at_once`], while all other CPUs run user mode.
pub(crate) fn what_is_deleted_can_be_used_while_others_work() {
    STOP.store(false, SeqCst);
    let mut workers: [Option<Worker<()>>; 3] = [const { None }; 3];
    for (cpu, place) in others().zip(&mut workers) {
        *place = Some(spawn_on(cpu, || {
            while !STOP.load(SeqCst) {
                spin_loop();
            }
        }));
    }
    make_and_delete(40);
    STOP.store(true, SeqCst);
    for worker in workers.into_iter().flatten() {
        worker.join();
    }
}

/// CPUs that idle have to be waited for by nobody.
pub(crate) fn what_is_deleted_can_be_used_at_once() {
    make_and_delete(200);
}

fn make_and_delete(rounds: u32) {
    let factory = own::factory().create_factory(QUOTA).unwrap();
    for round in 0..rounds {
        let thread = factory.create_thread();
        assert!(thread.is_ok(), "thread {round}: {:?}", thread.err());
    }
}
