//! Interrupts and semaphores between CPUs.

use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use l4_test::abi::timeout::Timeout;
use l4_test::message::wait_for;
use l4_test::own;
use l4_test::sys::object::{Irq, Semaphore};
use l4_test::sys::{Cap, Object};
use l4_test::worker::current;

use crate::actor::{Actor, Role};
use crate::messages::TURN;

pub(crate) const ROLES: &[Role] = &[
    Role {
        name: "driver",
        body: receive,
        serves: true,
    },
    Role {
        name: "device",
        body: trigger,
        serves: false,
    },
    Role {
        name: "semaphore down",
        body: down,
        serves: true,
    },
    Role {
        name: "semaphore up",
        body: up,
        serves: false,
    },
];

static IRQ: AtomicU64 = AtomicU64::new(0);
static SEMAPHORE: AtomicU64 = AtomicU64::new(0);
/// What was triggered, and what of it has arrived.
static WRITTEN: AtomicU64 = AtomicU64::new(0);
static SEEN: AtomicU64 = AtomicU64::new(0);
/// How often the semaphore was raised, and how often taken.
static UPS: AtomicU64 = AtomicU64::new(0);
static DOWNS: AtomicU64 = AtomicU64::new(0);

pub(crate) fn prepare() {
    let irq = own::factory().create_irq().unwrap().leak();
    IRQ.store(irq.selector().index(), SeqCst);
    let semaphore = own::factory().create_semaphore().unwrap().leak();
    SEMAPHORE.store(semaphore.selector().index(), SeqCst);
}

fn irq() -> Cap<Irq> {
    Cap::at(IRQ.load(SeqCst))
}

fn semaphore() -> Cap<Semaphore> {
    Cap::at(SEMAPHORE.load(SeqCst))
}

fn receive(actor: &Actor) {
    irq().bind_thread(current(), 0x10).unwrap();
    let take = |timeout| {
        let came = wait_for(timeout).came();
        if came {
            SEEN.store(WRITTEN.load(SeqCst), SeqCst);
            actor.step();
        }
        came
    };
    while actor.goes_on() {
        take(TURN);
    }
    while take(Timeout::ZERO) {}
}

fn trigger(actor: &Actor) {
    let mut random = actor.random();
    while actor.goes_on() {
        WRITTEN.fetch_add(1, SeqCst);
        irq().trigger().unwrap();
        random.delay();
        actor.step();
    }
}

fn down(actor: &Actor) {
    let take = |timeout| {
        let taken = semaphore().down(timeout).is_ok();
        if taken {
            DOWNS.fetch_add(1, SeqCst);
            actor.step();
        }
        taken
    };
    while actor.goes_on() {
        take(TURN);
    }
    while take(Timeout::ZERO) {}
}

fn up(actor: &Actor) {
    while actor.goes_on() {
        semaphore().up().unwrap();
        UPS.fetch_add(1, SeqCst);
        actor.step();
    }
}

/// Nothing is lost. When all have ended.
pub(crate) fn check() {
    assert_eq!(SEEN.load(SeqCst), WRITTEN.load(SeqCst), "a lost interrupt");
    assert_eq!(DOWNS.load(SeqCst), UPS.load(SeqCst), "a lost raise");
}
