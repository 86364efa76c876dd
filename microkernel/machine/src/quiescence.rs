//! Grace periods: when every CPU has left the kernel since some moment, none
//! can still hold a plain reference from before it.
//!
//! Nobody waits for a timer tick: a CPU passes whenever it leaves the kernel,
//! one that idles has passed already, and one that runs user mode is
//! interrupted. Whoever waits for a CPU is told by it.

use crate::sync::{AtomicU64, Ordering, fence};

/// CPUs that a kernel can have. Two are as many as loom can try out.
pub const MAX_CPUS: usize = if cfg!(loom) { 2 } else { 64 };

/// What each CPU tells the others about itself.
#[repr(align(64))]
struct Passage {
    /// Goes up by two when the CPU leaves the kernel; odd while it idles.
    passed: AtomicU64,
    /// The CPUs that wait for this one to pass, a bit each.
    watchers: AtomicU64,
}

/// The CPUs, and how often each has left the kernel.
pub struct Quiescence {
    passages: [Passage; MAX_CPUS],
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
            passages: core::array::from_fn(|_| Passage {
                passed: AtomicU64::new(0),
                watchers: AtomicU64::new(0),
            }),
            online: AtomicU64::new(0),
        }
    }

    /// CPU `id` takes part from now on.
    pub fn join(&self, id: u32) {
        self.online.fetch_or(1 << id, Ordering::SeqCst);
    }

    /// The CPUs that take part, a bit each.
    #[inline]
    pub fn online(&self) -> u64 {
        self.online.load(Ordering::Relaxed)
    }

    /// CPU `id`, which is the caller's, leaves the kernel, to idle or to user
    /// mode: it holds no plain reference. The CPUs that wait for that, a bit
    /// each, are to be interrupted.
    #[inline]
    pub fn pass(&self, id: u32, idles: bool) -> u64 {
        let passage = &self.passages[id as usize];
        let passed = passage.passed.load(Ordering::Relaxed);
        passage
            .passed
            .store(passed + 2 - u64::from(idles), Ordering::Release);
        // Who watches since just now has interrupted this CPU, which will
        // pass once more.
        if passage.watchers.load(Ordering::Relaxed) == 0 {
            return 0;
        }
        passage.watchers.swap(0, Ordering::Relaxed)
    }

    /// CPU `id`, which is the caller's, idles no more. Before it reads
    /// anything.
    pub fn wake(&self, id: u32) {
        let passed = &self.passages[id as usize].passed;
        let old = passed.load(Ordering::Relaxed);
        passed.store(old + old % 2, Ordering::Relaxed);
        // Either who begins a grace period sees this, or this CPU sees what
        // was unlinked before.
        fence(Ordering::SeqCst);
    }

    /// A grace period that begins now, on CPU `own`, which holds no plain
    /// reference itself; none, if no other CPU has to pass. Those that lag
    /// behind are to be interrupted; each then interrupts this one.
    pub fn begin(&self, own: u32) -> Option<Grace> {
        fence(Ordering::SeqCst);
        let others = self.online() & !(1 << own);
        (others != 0).then(|| self.begin_with(own, others))
    }

    #[cold]
    fn begin_with(&self, own: u32, others: u64) -> Grace {
        let mut grace = Grace {
            passed: [0; MAX_CPUS],
            lagging: 0,
        };
        for id in bits(others) {
            let passage = &self.passages[id as usize];
            let passed = passage.passed.load(Ordering::Acquire);
            if passed.is_multiple_of(2) {
                grace.passed[id as usize] = passed;
                grace.lagging |= 1 << id;
                passage.watchers.fetch_or(1 << own, Ordering::Relaxed);
            }
        }
        grace
    }

    /// The CPUs that have not passed since `grace` began, a bit each; none:
    /// it is over.
    pub fn lagging(&self, grace: &mut Grace) -> u64 {
        for id in bits(grace.lagging) {
            let passed = &self.passages[id as usize].passed;
            if passed.load(Ordering::Acquire) != grace.passed[id as usize] {
                grace.lagging &= !(1 << id);
            }
        }
        grace.lagging
    }
}

/// The numbers of the bits that are set.
pub fn bits(mut set: u64) -> impl Iterator<Item = u32> {
    core::iter::from_fn(move || {
        let bit = (set != 0).then(|| set.trailing_zeros())?;
        set &= set - 1;
        Some(bit)
    })
}

#[cfg(test)]
#[path = "quiescence/tests.rs"]
mod tests;
