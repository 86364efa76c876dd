//! A mutual exclusion lock whose waiters sleep.

use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use core::time::Duration;

use l4_abi::timeout::Timeout;
use l4_sys::object::Semaphore;
use l4_sys::{Cap, Object, OwnedCap, Utcb, ipc};

use crate::env;

/// A lock around a value.
///
/// Taking a free lock is one atomic operation. The kernel's semaphore that waiters sleep on is
/// made when there is a first waiter; if it cannot be made they poll. Waiters are woken in the order
/// of their priorities; the holder does not inherit them.
pub struct Mutex<T> {
    locked: AtomicBool,
    waiting: AtomicUsize,
    /// Slot index of the semaphore, 0 for none yet.
    semaphore: AtomicU64,
    value: UnsafeCell<T>,
}

// SAFETY: only the holder of the lock reaches the value, one thread at a time.
unsafe impl<T: Send> Sync for Mutex<T> {}
// SAFETY: a lock that nobody shares is as good as its value.
unsafe impl<T: Send> Send for Mutex<T> {}

/// How long a waiter sleeps if there is no semaphore.
const POLL_INTERVAL: Duration = Duration::from_millis(1);

impl<T> Mutex<T> {
    /// A free lock.
    pub const fn new(value: T) -> Self {
        Self {
            locked: AtomicBool::new(false),
            waiting: AtomicUsize::new(0),
            semaphore: AtomicU64::new(0),
            value: UnsafeCell::new(value),
        }
    }

    /// Waits for the lock. A thread that holds it already waits for ever.
    #[inline]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        if !self.acquire() {
            Utcb::current().preserve(|| self.wait());
        }
        MutexGuard { mutex: self }
    }

    /// Takes the lock if it is free.
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.acquire().then(|| MutexGuard { mutex: self })
    }

    fn acquire(&self) -> bool {
        self.locked
            .compare_exchange(false, true, Ordering::SeqCst, Ordering::Relaxed)
            .is_ok()
    }

    /// A waiter first has the semaphore, then is counted, then looks again. So a holder who leaves
    /// after that look sees the count and finds the semaphore.
    #[cold]
    fn wait(&self) {
        let semaphore = self.semaphore();
        self.waiting.fetch_add(1, Ordering::SeqCst);
        while !self.acquire() {
            match semaphore {
                Some(semaphore) => {
                    let _ = semaphore.down(Timeout::NEVER);
                }
                None => ipc::sleep(POLL_INTERVAL),
            }
        }
        self.waiting.fetch_sub(1, Ordering::SeqCst);
    }

    fn release(&self) {
        self.locked.store(false, Ordering::SeqCst);
        if self.waiting.load(Ordering::SeqCst) > 0
            && let Some(semaphore) = self.existing_semaphore()
        {
            let _ = semaphore.up();
        }
    }

    fn existing_semaphore(&self) -> Option<Cap<Semaphore>> {
        match self.semaphore.load(Ordering::SeqCst) {
            0 => None,
            index => Some(Cap::at(index)),
        }
    }

    /// The semaphore, made by the first waiter; a second one that made another drops it.
    fn semaphore(&self) -> Option<Cap<Semaphore>> {
        if let Some(semaphore) = self.existing_semaphore() {
            return Some(semaphore);
        }
        let new = env::factory().create_semaphore().ok()?;
        let index = new.selector().index();
        match self
            .semaphore
            .compare_exchange(0, index, Ordering::SeqCst, Ordering::SeqCst)
        {
            Ok(_) => Some(new.leak()),
            Err(other) => Some(Cap::at(other)),
        }
    }
}

impl<T> Drop for Mutex<T> {
    fn drop(&mut self) {
        if let Some(semaphore) = self.existing_semaphore() {
            drop(OwnedCap::<Semaphore>::from_selector(semaphore.selector()));
        }
    }
}

/// The held lock; dropped, it is free again.
#[must_use]
pub struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this guard holds the lock.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this guard holds the lock, and is borrowed exclusively.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        self.mutex.release();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use l4_sys::arch::{SystemReturn, with_kernel};

    use super::*;

    #[test]
    fn a_held_lock_cannot_be_taken_until_it_is_dropped() {
        let mutex = Mutex::new(1);
        let mut held = mutex.lock();
        *held += 1;
        assert!(mutex.try_lock().is_none());
        drop(held);
        assert_eq!(mutex.try_lock().map(|held| *held), Some(2));
    }

    /// Every system call fails, so there is no semaphore and waiters poll.
    #[test]
    fn without_a_semaphore_waiters_still_get_the_lock_one_by_one() {
        let counter = Arc::new(Mutex::new(0));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let counter = counter.clone();
                std::thread::spawn(move || {
                    let kernel = |_, _| {
                        std::thread::yield_now();
                        SystemReturn {
                            tag: 0x8000,
                            label: 0,
                        }
                    };
                    with_kernel(kernel, || {
                        for _ in 0..1000 {
                            let mut held = counter.lock();
                            let before = *held;
                            std::thread::yield_now();
                            *held = before + 1;
                        }
                    });
                })
            })
            .collect();
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        assert_eq!(*counter.lock(), 4000);
    }
}
