//! Mutual exclusion of CPUs: who wants a lock looks again and again.

use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicBool, Ordering};

use crate::arch::cpu;

/// A value that one CPU has at a time.
pub(crate) struct Mutex<T> {
    is_taken: AtomicBool,
    value: UnsafeCell<T>,
}

/// Has the value, until it is dropped.
pub struct MutexGuard<'a, T>(&'a Mutex<T>, PhantomData<&'a mut T>);

// SAFETY: the value goes from one CPU to another, and only one has it at a time.
unsafe impl<T: Send> Sync for Mutex<T> {}

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self {
            is_taken: AtomicBool::new(false),
            value: UnsafeCell::new(value),
        }
    }

    #[inline]
    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        // Acquire: what the last one did with the value is done.
        let (acquire, relaxed) = (Ordering::Acquire, Ordering::Relaxed);
        let taken = (self.is_taken).compare_exchange(false, true, acquire, relaxed);
        taken.ok().map(|_| MutexGuard(self, PhantomData))
    }

    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        loop {
            if let Some(guard) = self.try_lock() {
                return guard;
            }
            while self.is_taken.load(Ordering::Relaxed) {
                cpu::relax();
            }
        }
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: this has the value, and is borrowed.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: likewise, and for this borrow alone.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.0.is_taken.store(false, Ordering::Release);
    }
}
