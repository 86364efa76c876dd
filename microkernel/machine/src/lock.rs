//! The kernel's one lock: short, never held across a kernel exit.

/// Guards data that several CPUs change. Interrupts are off in the kernel, so
/// a holder is never interrupted on its own CPU.
pub struct Lock<T>(Mutex<T>);

/// Access to the data, until it is dropped.
pub type Guard<'a, T> = MutexGuard<'a, T>;

#[cfg(all(not(loom), target_os = "none"))]
use crate::spin_lock::{Mutex, MutexGuard};
#[cfg(loom)]
use loom::sync::{Mutex, MutexGuard};

#[cfg(all(not(loom), not(target_os = "none")))]
use crate::arch::meanwhile::{Mutex, MutexGuard};

use crate::sync::const_fn;

impl<T> Lock<T> {
    const_fn! {
        /// Puts `value` behind a lock.
        pub fn new(value: T) -> Self {
            Self(Mutex::new(value))
        }
    }

    /// Takes the lock, if nobody has it.
    pub fn try_lock(&self) -> Option<Guard<'_, T>> {
        let guard = self.0.try_lock();
        #[cfg(loom)]
        let guard = guard.ok();
        guard
    }

    /// Waits for the lock.
    #[inline]
    pub fn lock(&self) -> Guard<'_, T> {
        let guard = self.0.lock();
        #[cfg(loom)]
        let guard = guard.expect("no holder panics");
        guard
    }
}
