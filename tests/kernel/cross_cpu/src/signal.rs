//! Semaphores, interrupts and gates between CPUs.

use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use l4_test::abi::timeout::Timeout;
use l4_test::message::wait;
use l4_test::{Message, Worker, own, spawn_on};

use crate::place::{cpus, until};

/// As many waits end as there are raises, from all CPUs to all CPUs.
pub(crate) fn no_raise_of_a_semaphore_is_lost() {
    const ROUNDS: u64 = 1000;
    let semaphore = own::factory().create_semaphore().unwrap();
    let shared = semaphore.as_cap();
    let waiters = [0, 1, 2].map(|waiter| {
        spawn_on((waiter + 1) % cpus(), move || {
            for _ in 0..ROUNDS {
                shared.down(Timeout::NEVER).unwrap();
            }
        })
    });
    let raisers = [0, 1, 2].map(|raiser| {
        spawn_on(raiser % cpus(), move || {
            for _ in 0..ROUNDS {
                shared.up().unwrap();
            }
        })
    });
    raisers.into_iter().for_each(Worker::join);
    waiters.into_iter().for_each(Worker::join);
    assert!(shared.down(Timeout::ZERO).is_err(), "one raise too many");
}

/// Triggers coalesce, but one after the last receipt is never lost.
pub(crate) fn an_interrupt_arrives_after_the_last_trigger() {
    static WRITTEN: AtomicU64 = AtomicU64::new(0);
    static SEEN: AtomicU64 = AtomicU64::new(0);
    WRITTEN.store(0, SeqCst);
    SEEN.store(0, SeqCst);
    let irq = own::factory().create_irq().unwrap();
    let receiver = spawn_on(1, || {
        loop {
            wait();
            SEEN.store(WRITTEN.load(SeqCst), SeqCst);
        }
    });
    irq.bind_thread(receiver.thread(), 0x50).unwrap();
    for round in 1..=500 {
        WRITTEN.store(round, SeqCst);
        irq.trigger().unwrap();
        if round % 5 == 0 {
            until("the interrupt", || SEEN.load(SeqCst) == round);
        }
    }
}

pub(crate) fn a_gate_is_bound_from_another_cpu() {
    for round in 0..100 {
        let gate = own::factory().create_unbound_gate().unwrap();
        let shared = gate.as_cap();
        let client = spawn_on(1, move || Message::new(0).call(*shared).outcome());
        let server = spawn_on(round % cpus(), || {
            let label = wait().label;
            Message::new((label >> 4) as i64).reply();
        });
        let bound = gate.bind_thread(server.thread(), 0x40);
        bound.unwrap();
        assert_eq!(client.join(), Ok(4));
    }
}
