//! State that belongs to one CPU at a time.

use crate::per_cpu::PerCpu;
use crate::sync::{AtomicU32, Ordering, const_fn};
use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::ops::Deref;

/// State that only its home CPU touches.
///
/// The value is full of plain [`Cell`](core::cell::Cell)s. [`Homed::get`]
/// gives it to the home CPU and to no other, so the cells need no atomics and
/// no lock: kernel code on one CPU is never interrupted, and the other CPUs
/// are turned away.
///
/// A *mark* of the owner's goes with it, so that one comparison can tell that
/// the value is here and in a state that the mark stands for.
pub struct Homed<T> {
    /// The home CPU, and above it the mark.
    word: AtomicU32,
    value: UnsafeCell<T>,
    /// `T` has cells in it; what makes sharing sound is the check in `get`.
    not_sync: PhantomData<*const ()>,
}

/// Bits of the word that are the CPU.
pub(crate) const CPU_BITS: u32 = 16;
/// Marks are below.
pub(crate) const MARKS: usize = 8;
const CPU: u32 = (1 << CPU_BITS) - 1;

// SAFETY: `get` hands the value out on the home CPU only, and `set_home`, the
// one way to change which CPU that is, is the home CPU's alone. Release and
// acquire on `word` order the old home's writes before the new home's reads.
unsafe impl<T: Send> Sync for Homed<T> {}
// SAFETY: the value is owned, and `T` may change CPUs.
unsafe impl<T: Send> Send for Homed<T> {}

impl<T> Homed<T> {
    const_fn! {
        /// Puts `value` in the care of CPU `home`, with mark 0.
        pub fn new(home: u32, value: T) -> Self {
            Self {
                word: AtomicU32::new(home),
                value: UnsafeCell::new(value),
                not_sync: PhantomData,
            }
        }
    }

    /// The CPU that may touch the value.
    #[inline]
    pub fn home(&self) -> u32 {
        self.word.load(Ordering::Acquire) & CPU
    }

    /// The mark.
    pub fn mark(&self) -> u16 {
        (self.word.load(Ordering::Relaxed) >> CPU_BITS) as u16
    }

    /// The value, if `cpu` is its home.
    #[inline]
    pub fn get<'cpu, L>(&'cpu self, cpu: &'cpu PerCpu<L>) -> Option<Here<'cpu, T>> {
        (self.home() == cpu.id()).then_some(Here(self))
    }

    /// The value, if `cpu` is its home and it has this mark.
    #[inline]
    pub fn marked<'cpu, L>(&'cpu self, cpu: &'cpu PerCpu<L>, mark: u16) -> Option<Here<'cpu, T>> {
        (self.word.load(Ordering::Acquire) == cpu.word(mark)).then_some(Here(self))
    }

    /// Gives the value to CPU `new`. The exclusive borrow shows that the old
    /// home has no reference to it left. False, and nothing done, elsewhere.
    pub fn set_home<L>(&self, cpu: &mut PerCpu<L>, new: u32) -> bool {
        let word = self.word.load(Ordering::Acquire);
        let own = word & CPU == cpu.id();
        if own {
            self.word.store(word & !CPU | new & CPU, Ordering::Release);
        }
        own
    }
}

/// A value on its home CPU, which is this one.
pub struct Here<'cpu, T>(&'cpu Homed<T>);

impl<T> Clone for Here<'_, T> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Here<'_, T> {}

impl<'cpu, T> Here<'cpu, T> {
    /// The value.
    #[inline]
    pub fn value(self) -> &'cpu T {
        // SAFETY: one `PerCpu` exists for each number and it never leaves
        // its CPU, so this runs on the home CPU, the only one that gets
        // references to the value. It stays that while `'cpu` lasts.
        unsafe { &*self.0.value.get() }
    }

    /// Gives it another mark. Who has it runs on `cpu`, so its home stays.
    #[inline]
    pub fn set_mark<L>(self, cpu: &PerCpu<L>, mark: u16) {
        self.0.word.store(cpu.word(mark), Ordering::Relaxed);
    }
}

impl<T> Deref for Here<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        self.value()
    }
}

#[cfg(all(test, loom))]
mod loom;

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_its_mark_on_its_home_cpu_alone() {
        let [mut one, other] = [0, 1].map(|id| PerCpu::new(id, ()));
        let homed = Homed::new(0, 7);
        homed.get(&one).expect("it is here").set_mark(&one, 3);
        assert_eq!((homed.home(), homed.mark()), (0, 3));
        assert_eq!(homed.marked(&one, 3).map(|value| *value), Some(7));
        assert!(homed.marked(&one, 0).is_none());
        assert!(homed.marked(&other, 3).is_none());
        assert!(homed.set_home(&mut one, 1));
        assert_eq!((homed.home(), homed.mark()), (1, 3));
        assert!(homed.get(&one).is_none());
        assert!(homed.marked(&other, 3).is_some());
    }
}
