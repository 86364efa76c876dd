//! The numbers by which hardware tells address spaces apart (VMIDs). All CPUs
//! use the same one for a space, so that one instruction makes all of them
//! forget a translation.
//!
//! A space's tag is a *generation* and a number. When all numbers are used
//! up, a new generation begins and everything is forgotten once. A number
//! that a CPU is using then stays its space's.

use crate::lock::Lock;
use crate::quiescence::MAX_CPUS;
use crate::sync::{AtomicU64, Ordering};

/// Bits of a tag that are the number.
const NUMBER_BITS: u32 = 16;
const NUMBER: u64 = (1 << NUMBER_BITS) - 1;

/// Gives out the numbers.
pub(super) struct Vmids {
    /// The generation, as in tags.
    generation: AtomicU64,
    /// The tag of the space that each CPU has loaded; 0 since a generation
    /// began.
    active: [AtomicU64; MAX_CPUS],
    supply: Lock<Supply>,
    /// Numbers are below.
    limit: u64,
}

struct Supply {
    /// The number given out last.
    last: u64,
    /// The tags that CPUs had loaded when the generation began.
    reserved: [u64; MAX_CPUS],
}

impl Vmids {
    /// Numbers below `limit`; 0 is nobody's. There are more than CPUs.
    pub(super) fn new(limit: u32) -> Self {
        Self {
            generation: AtomicU64::new(1 << NUMBER_BITS),
            active: core::array::from_fn(|_| AtomicU64::new(0)),
            supply: Lock::new(Supply {
                last: 0,
                reserved: [0; MAX_CPUS],
            }),
            limit: u64::from(limit),
        }
    }

    /// The number of a space that CPU `cpu` is about to load, and whether the
    /// CPU may never have had it under this number. `forget_all` makes all
    /// CPUs forget everything.
    #[inline]
    pub(super) fn load(&self, cpu: u32, tag: &AtomicU64, forget_all: impl FnOnce()) -> (u16, bool) {
        let active = &self.active[cpu as usize];
        let current = tag.load(Ordering::Relaxed);
        let before = active.load(Ordering::Relaxed);
        // If a generation begins meanwhile, it has emptied `active`.
        if before != 0
            && current & !NUMBER == self.generation.load(Ordering::Acquire)
            && active
                .compare_exchange(before, current, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
        {
            return (number(current), false);
        }
        (self.load_anew(active, tag, forget_all), true)
    }

    #[cold]
    fn load_anew(&self, active: &AtomicU64, tag: &AtomicU64, forget_all: impl FnOnce()) -> u16 {
        let mut supply = self.supply.lock();
        let mut current = tag.load(Ordering::Relaxed);
        if current & !NUMBER != self.generation.load(Ordering::Relaxed) {
            current = self.renew(&mut supply, current, forget_all);
            tag.store(current, Ordering::Release);
        }
        active.store(current, Ordering::Release);
        number(current)
    }

    /// A tag of this generation, or of a new one, for a space that had `old`.
    fn renew(&self, supply: &mut Supply, old: u64, forget_all: impl FnOnce()) -> u64 {
        let generation = self.generation.load(Ordering::Relaxed);
        if let Some(tag) = supply.next(old, generation, self.limit) {
            return tag;
        }
        let generation = generation + (1 << NUMBER_BITS);
        self.generation.store(generation, Ordering::Release);
        for (active, reserved) in self.active.iter().zip(&mut supply.reserved) {
            let tag = active.swap(0, Ordering::AcqRel);
            if tag != 0 {
                *reserved = tag;
            }
        }
        forget_all();
        supply.last = 0;
        let tag = supply.next(old, generation, self.limit);
        tag.expect("there are more numbers than CPUs")
    }
}

impl Supply {
    /// A tag of `generation`: with the number that the space had, if it has
    /// been loaded somewhere since before, else with one that is free.
    fn next(&mut self, old: u64, generation: u64, limit: u64) -> Option<u64> {
        let mut is_reserved = false;
        let kept = generation | old & NUMBER;
        for reserved in &mut self.reserved {
            if old != 0 && *reserved == old {
                *reserved = kept;
                is_reserved = true;
            }
        }
        if is_reserved {
            return Some(kept);
        }
        while self.last + 1 < limit {
            self.last += 1;
            let is_used = |tag: &u64| tag & NUMBER == self.last;
            if !self.reserved.iter().any(is_used) {
                return Some(generation | self.last);
            }
        }
        None
    }
}

/// The number of a tag; 0 if it has none yet.
#[inline]
pub(super) fn number(tag: u64) -> u16 {
    (tag & NUMBER) as u16
}

#[cfg(test)]
#[path = "vmid/tests.rs"]
mod tests;
