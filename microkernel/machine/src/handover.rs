//! How a CPU that starts gets its [`CpuBlock`] from the boot CPU.
//!
//! One CPU is started at a time. Its block is offered in one word, which the
//! CPU empties with its first exchange; so a CPU that comes too late finds
//! that nothing is offered any more, and stops.

use core::ptr;

use crate::arch::cpu::relax;
use crate::arch::timer::Timer;
use crate::per_cpu::CpuBlock;
use crate::sync::{AtomicPtr, AtomicU32, Ordering, const_fn};

/// How long a CPU may take to come, in µs. Emulators on busy hosts need long.
const PATIENCE: u64 = 2_000_000;

/// What the boot CPU and the one that starts share.
#[repr(C)]
pub(crate) struct Handover {
    /// Entry code knows that this comes first.
    offered: AtomicPtr<CpuBlock>,
    /// 1 when the CPU that took the block has started.
    started: AtomicU32,
}

impl Handover {
    const_fn! {
        /// Nothing offered.
        pub(crate) fn new() -> Self {
            Self {
                offered: AtomicPtr::new(ptr::null_mut()),
                started: AtomicU32::new(0),
            }
        }
    }

    /// Starts a CPU by `wake` and gives it `block`. False if it does not come,
    /// `wake` says that it cannot, or `meet`, which is called when it is here,
    /// that it is of no use.
    pub(crate) fn give(
        &self,
        block: &'static CpuBlock,
        timer: &Timer,
        wake: impl FnOnce() -> bool,
        meet: impl FnOnce() -> bool,
    ) -> bool {
        self.offer(block);
        let patience = if wake() { PATIENCE } else { 0 };
        let deadline = timer.now() + patience;
        while !self.is_taken() {
            if timer.now() >= deadline && self.withdraw() {
                return false;
            }
            relax();
        }
        if !meet() {
            return false;
        }
        // It runs code of the kernel, which has no reason to wait.
        while !self.is_finished() {
            relax();
        }
        true
    }

    /// Lets the CPU that starts next have `block`, and all that was written
    /// before.
    pub(crate) fn offer(&self, block: &'static CpuBlock) {
        self.started.store(0, Ordering::Relaxed);
        self.offered
            .store(ptr::from_ref(block).cast_mut(), Ordering::Release);
    }

    /// The block, if one is offered; it is the caller's then. What entry code
    /// does.
    #[cfg(test)]
    fn take(&self) -> *mut CpuBlock {
        self.offered.swap(ptr::null_mut(), Ordering::AcqRel)
    }

    /// Whether somebody has the block.
    pub(crate) fn is_taken(&self) -> bool {
        self.offered.load(Ordering::Relaxed).is_null()
    }

    /// Offers the block no more. False if somebody has it.
    pub(crate) fn withdraw(&self) -> bool {
        !self
            .offered
            .swap(ptr::null_mut(), Ordering::AcqRel)
            .is_null()
    }

    /// Says that the CPU that has the block has started.
    pub(crate) fn finish(&self) {
        self.started.store(1, Ordering::Release);
    }

    /// Whether it has.
    pub(crate) fn is_finished(&self) -> bool {
        self.started.load(Ordering::Acquire) == 1
    }
}

#[cfg(test)]
#[path = "handover/tests.rs"]
mod tests;
