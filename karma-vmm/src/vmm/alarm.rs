//! A thread that interrupts another one at a given time, for a guest that runs.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use l4_abi::timeout::Timeout;
use l4_rt::{env, thread, time};
use l4_sys::object::Irq;
use l4_sys::{OwnedCap, Result};

const NEVER: u64 = u64::MAX;

/// The alarm.
pub struct Alarm {
    /// When it is due, in nanoseconds since boot.
    due: Arc<AtomicU64>,
    /// Until when the thread sleeps.
    asleep: Arc<AtomicU64>,
    changed: Arc<OwnedCap<Irq>>,
}

impl Alarm {
    /// One that interrupts the calling thread with `label`.
    pub fn new(label: u64) -> Result<Self> {
        let rings = env::factory().create_irq()?;
        rings.bind_thread(thread::current(), label)?;
        let alarm = Self {
            due: Arc::new(AtomicU64::new(NEVER)),
            asleep: Arc::new(AtomicU64::new(NEVER)),
            changed: Arc::new(env::factory().create_irq()?),
        };
        let (due, asleep) = (alarm.due.clone(), alarm.asleep.clone());
        let changed = alarm.changed.clone();
        thread::spawn(move || {
            if changed.bind_thread(thread::current(), 0).is_err() {
                return;
            }
            loop {
                let (until, now) = (due.load(SeqCst), now());
                if until <= now {
                    let taken = due.compare_exchange(until, NEVER, SeqCst, SeqCst);
                    if taken.is_ok() && rings.trigger().is_err() {
                        return;
                    }
                    continue;
                }
                asleep.store(until, SeqCst);
                // A change between these is seen here, or ends the wait.
                if due.load(SeqCst) < until {
                    continue;
                }
                let timeout = match until {
                    NEVER => Timeout::NEVER,
                    until => Timeout::from_micros((until - now) / 1000 + 1),
                };
                let _ = changed.receive(timeout);
            }
        })?;
        Ok(alarm)
    }

    /// Rings at `due`, in nanoseconds since boot, or not at all; and not when it was to ring before.
    pub fn set(&self, due: Option<u64>) {
        let due = due.unwrap_or(NEVER);
        if self.due.swap(due, SeqCst) != due && due < self.asleep.load(SeqCst) {
            // A thread that is gone has nothing to be told.
            let _ = self.changed.trigger();
        }
    }
}

/// Nanoseconds since boot.
pub fn now() -> u64 {
    u64::try_from(time::now_precise().as_nanos()).unwrap_or(u64::MAX)
}
