//! Grace periods: when every CPU has left the kernel since some moment, none
//! can still hold a plain reference from before it.
//!
//! Nobody waits for a timer tick: a CPU passes whenever it leaves the kernel,
//! one that idles has passed already, and one that runs user mode is
//! interrupted. Whoever waits for a CPU is told by it.

use crate::sync::{AtomicBool, AtomicU64, Ordering, fence};

/// CPUs that a kernel can have. Two are as many as loom can try out.
pub const MAX_CPUS: usize = if cfg!(loom) { 2 } else { 64 };

/// What each CPU tells the others about itself.
#[repr(align(64))]
struct Passage {
    /// It idles, so it has passed.
    idles: AtomicBool,
    /// The CPUs that wait for this one to pass, a bit each, which it takes away
    /// when it does.
    watchers: AtomicU64,
}

/// The CPUs, and who waits for which.
pub struct Quiescence {
    passages: [Passage; MAX_CPUS],
    /// A bit for each CPU that takes part.
    online: AtomicU64,
}

/// A grace period of one CPU, which has no other at the same time.
#[derive(Clone)]
pub struct Grace {
    /// The bit of that CPU.
    own: u64,
    /// The CPUs that have yet to pass.
    lagging: u64,
}

impl Quiescence {
    /// No CPU takes part yet.
    pub fn new() -> Self {
        Self {
            passages: core::array::from_fn(|_| Passage {
                idles: AtomicBool::new(false),
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
        if idles {
            passage.idles.store(true, Ordering::Release);
        }
        // Who watches since just now has interrupted this CPU, which will
        // pass once more.
        if passage.watchers.load(Ordering::Relaxed) == 0 {
            return 0;
        }
        // An exchange: whatever this CPU reads next, it reads after what the
        // watchers wrote before they watched.
        passage.watchers.swap(0, Ordering::AcqRel)
    }

    /// CPU `id`, which is the caller's, idles no more. Before it reads
    /// anything.
    pub fn wake(&self, id: u32) {
        let passage = &self.passages[id as usize];
        passage.idles.store(false, Ordering::Relaxed);
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
        let own = 1 << own;
        let mut lagging = 0;
        for id in bits(others) {
            let passage = &self.passages[id as usize];
            if !passage.idles.load(Ordering::Acquire) {
                lagging |= 1 << id;
                passage.watchers.fetch_or(own, Ordering::Release);
            }
        }
        Grace { own, lagging }
    }

    /// The CPUs that have not passed since `grace` began, a bit each; none:
    /// it is over.
    pub fn lagging(&self, grace: &mut Grace) -> u64 {
        for id in bits(grace.lagging) {
            let watchers = &self.passages[id as usize].watchers;
            if watchers.load(Ordering::Acquire) & grace.own == 0 {
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
