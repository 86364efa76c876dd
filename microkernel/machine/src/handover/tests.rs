//! Taking and withdrawing; with loom, on two CPUs in every order.

use super::*;
use crate::per_cpu::PerCpu;

fn block() -> &'static CpuBlock {
    Box::leak(Box::new(PerCpu::new(1, ()))).block()
}

#[cfg(not(loom))]
#[test]
fn a_cpu_that_does_not_come_gets_nothing_later() {
    let handover = Handover::new();
    handover.offer(block());
    assert!(!handover.is_taken());
    assert!(handover.withdraw());
    assert!(handover.take().is_null());
}

#[cfg(not(loom))]
#[test]
fn what_is_taken_cannot_be_withdrawn() {
    let handover = Handover::new();
    let block = block();
    handover.offer(block);
    assert!(ptr::eq(handover.take(), block));
    assert!(handover.is_taken() && !handover.is_finished());
    assert!(!handover.withdraw());
    handover.finish();
    assert!(handover.is_finished());
}

#[cfg(not(loom))]
#[test]
fn the_boot_cpu_waits_until_the_other_has_started() {
    let handover = Handover::new();
    let timer = Timer::new();
    let starts = || {
        assert!(!handover.take().is_null());
        handover.finish();
        true
    };
    assert!(handover.give(block(), &timer, starts, || true));
}

#[cfg(not(loom))]
#[test]
fn a_cpu_that_cannot_start_is_not_waited_for() {
    let handover = Handover::new();
    let timer = Timer::new();
    assert!(!handover.give(block(), &timer, || false, || true));
    assert!(handover.take().is_null());
}

#[cfg(loom)]
mod loom {
    use std::sync::Arc;

    use ::loom::thread;

    use super::*;

    #[test]
    fn a_block_is_taken_or_withdrawn() {
        ::loom::model(|| {
            let handover = Arc::new(Handover::new());
            handover.offer(block());
            let other = Arc::clone(&handover);
            let starting = thread::spawn(move || {
                let taken = !other.take().is_null();
                if taken {
                    other.finish();
                }
                taken
            });
            let withdrawn = handover.withdraw();
            let taken = starting.join().unwrap();
            assert_ne!(taken, withdrawn);
            assert_eq!(handover.is_finished(), taken);
        });
    }
}
