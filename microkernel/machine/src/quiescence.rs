//! Grace periods: when every CPU has left the kernel since some moment, none
//! can still hold a plain reference from before it.
//!
//! Nobody waits for a timer tick: a CPU passes whenever it leaves the kernel,
//! one that idles or runs user mode for long is interrupted.

use crate::sync::{AtomicU64, Ordering};

/// CPUs that a kernel can have.
pub const MAX_CPUS: usize = 64;

/// How often each CPU has passed: left the kernel.
pub struct Quiescence {
    passed: [AtomicU64; MAX_CPUS],
    /// A bit for each CPU that takes part.
    online: AtomicU64,
}

/// A moment, told by how often each CPU had passed.
#[derive(Clone)]
pub struct Grace {
    passed: [u64; MAX_CPUS],
    /// The CPUs that have yet to pass.
    lagging: u64,
}

impl Quiescence {
    /// No CPU takes part yet.
    pub fn new() -> Self {
        Self {
            passed: core::array::from_fn(|_| AtomicU64::new(0)),
            online: AtomicU64::new(0),
        }
    }

    /// CPU `id` takes part from now on.
    pub fn join(&self, id: u32) {
        self.online.fetch_or(1 << id, Ordering::AcqRel);
    }

    /// True if CPU `own` is the only one.
    pub fn is_alone(&self, own: u32) -> bool {
        self.online.load(Ordering::Acquire) & !(1 << own) == 0
    }

    /// CPU `id` holds no plain reference: it leaves the kernel.
    #[inline]
    pub fn pass(&self, id: u32) {
        if let Some(passed) = self.passed.get(id as usize) {
            passed.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// A grace period that begins now, on CPU `own`, which holds no plain
    /// reference itself.
    pub fn begin(&self, own: u32) -> Grace {
        Grace {
            passed: core::array::from_fn(|id| self.passed[id].load(Ordering::Acquire)),
            lagging: self.online.load(Ordering::Acquire) & !(1 << own),
        }
    }

    /// The CPUs that have not passed since `grace` began, a bit each; none:
    /// it is over.
    pub fn lagging(&self, grace: &mut Grace) -> u64 {
        let mut left = grace.lagging;
        while left != 0 {
            let id = left.trailing_zeros() as usize;
            left &= left - 1;
            if self.passed[id].load(Ordering::Acquire) != grace.passed[id] {
                grace.lagging &= !(1 << id);
            }
        }
        grace.lagging
    }
}

impl Default for Quiescence {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_grace_period_ends_when_all_others_have_passed() {
        let quiescence = Quiescence::new();
        for id in [0, 1, 5] {
            quiescence.join(id);
        }
        quiescence.pass(1);
        let mut grace = quiescence.begin(0);
        assert_eq!(quiescence.lagging(&mut grace), 1 << 1 | 1 << 5);
        quiescence.pass(5);
        assert_eq!(quiescence.lagging(&mut grace), 1 << 1);
        quiescence.pass(1);
        assert_eq!(quiescence.lagging(&mut grace), 0);
    }

    #[test]
    fn a_cpu_alone_waits_for_nobody() {
        let quiescence = Quiescence::new();
        quiescence.join(0);
        let mut grace = quiescence.begin(0);
        assert_eq!(quiescence.lagging(&mut grace), 0);
    }
}
