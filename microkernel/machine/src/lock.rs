//! The kernel's one lock: short, never held across a kernel exit.

/// Guards data that several CPUs change. Interrupts are off in the kernel, so
/// a holder is never interrupted on its own CPU.
pub struct Lock<T>(spin::Mutex<T>);

/// Access to the data, until it is dropped.
pub type Guard<'a, T> = spin::MutexGuard<'a, T>;

impl<T> Lock<T> {
    /// Puts `value` behind a lock.
    pub const fn new(value: T) -> Self {
        Self(spin::Mutex::new(value))
    }

    /// Takes the lock, if nobody has it.
    pub fn try_lock(&self) -> Option<Guard<'_, T>> {
        self.0.try_lock()
    }

    /// Waits for the lock.
    #[inline]
    pub fn lock(&self) -> Guard<'_, T> {
        self.0.lock()
    }
}
