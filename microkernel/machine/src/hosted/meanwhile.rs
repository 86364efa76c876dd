//! What another CPU does in the middle of a kernel entry.
//!
//! CPUs that are one thread of a test take turns by kernel entries. Here an
//! entry of one CPU is interrupted by a whole entry of another: at any moment
//! at which it has no lock, and is about to take one or has just left one.

use core::ops::{Deref, DerefMut};
use std::boxed::Box;
use std::cell::{Cell, RefCell};

/// The moments to let pass, and what happens then.
type Meanwhile = (usize, Box<dyn FnOnce()>);

std::thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    static NEXT: RefCell<Option<Meanwhile>> = const { RefCell::new(None) };
}

/// Lets `act` happen when `moments` have passed.
pub fn arrange(moments: usize, act: impl FnOnce() + 'static) {
    NEXT.set(Some((moments, Box::new(act))));
}

/// Nothing happens any more. True if something would have.
pub fn cancel() -> bool {
    NEXT.take().is_some()
}

/// If this CPU holds no lock, another one may do something.
fn moment() {
    if HELD.get() > 0 {
        return;
    }
    let act = NEXT.with_borrow_mut(|next| match next {
        Some((moments, _)) if *moments > 0 => {
            *moments -= 1;
            None
        }
        _ => next.take(),
    });
    if let Some((_, act)) = act {
        act();
    }
}

/// The lock of a hosted machine.
pub(crate) struct Mutex<T>(spin::Mutex<T>);

/// Access to what is behind it.
pub struct MutexGuard<'a, T>(Option<spin::MutexGuard<'a, T>>);

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(spin::Mutex::new(value))
    }

    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.0.try_lock().map(MutexGuard::new)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        moment();
        MutexGuard::new(self.0.lock())
    }
}

impl<'a, T> MutexGuard<'a, T> {
    fn new(guard: spin::MutexGuard<'a, T>) -> Self {
        HELD.set(HELD.get() + 1);
        Self(Some(guard))
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        self.0 = None;
        HELD.set(HELD.get() - 1);
        moment();
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.0.as_ref().expect("held until it is dropped")
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().expect("held until it is dropped")
    }
}
