//! State that belongs to one CPU at a time.

use crate::per_cpu::PerCpu;
use crate::sync::{AtomicU32, Ordering, const_fn};
use core::cell::UnsafeCell;
use core::marker::PhantomData;

/// State that only its home CPU touches.
///
/// The value is full of plain [`Cell`](core::cell::Cell)s. [`Homed::get`]
/// gives it to the home CPU and to no other, so the cells need no atomics and
/// no lock: kernel code on one CPU is never interrupted, and the other CPUs
/// are turned away.
pub struct Homed<T> {
    home: AtomicU32,
    value: UnsafeCell<T>,
    /// `T` has cells in it; what makes sharing sound is the check in `get`.
    not_sync: PhantomData<*const ()>,
}

// SAFETY: `get` hands the value out on the home CPU only, and `set_home`, the
// one way to change which CPU that is, is the home CPU's alone. Release and
// acquire on `home` order the old home's writes before the new home's reads.
unsafe impl<T: Send> Sync for Homed<T> {}
// SAFETY: the value is owned, and `T` may change CPUs.
unsafe impl<T: Send> Send for Homed<T> {}

impl<T> Homed<T> {
    const_fn! {
        /// Puts `value` in the care of CPU `home`.
        pub fn new(home: u32, value: T) -> Self {
            Self {
                home: AtomicU32::new(home),
                value: UnsafeCell::new(value),
                not_sync: PhantomData,
            }
        }
    }

    /// The CPU that may touch the value.
    #[inline]
    pub fn home(&self) -> u32 {
        self.home.load(Ordering::Acquire)
    }

    /// The value, if `cpu` is its home.
    #[inline]
    pub fn get<'cpu, L>(&'cpu self, cpu: &'cpu PerCpu<L>) -> Option<&'cpu T> {
        if self.home.load(Ordering::Acquire) == cpu.id() {
            // SAFETY: one `PerCpu` exists for each number and it never leaves
            // its CPU, so this runs on the home CPU, the only one that gets
            // references to the value.
            Some(unsafe { &*self.value.get() })
        } else {
            None
        }
    }

    /// Gives the value to CPU `new`. The exclusive borrow shows that the old
    /// home has no reference to it left. False, and nothing done, elsewhere.
    pub fn set_home<L>(&self, cpu: &mut PerCpu<L>, new: u32) -> bool {
        let own = self.home.load(Ordering::Acquire) == cpu.id();
        if own {
            self.home.store(new, Ordering::Release);
        }
        own
    }
}

#[cfg(all(test, loom))]
mod loom;
