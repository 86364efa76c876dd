//! Pointers that do not keep what they point to, and what checks them.

use core::cell::Cell;
use core::ptr;

use crate::per_cpu::PerCpu;
use crate::sync::{AtomicU32, Ordering, const_fn};

/// In what [`Link`]s point to: how many do.
pub struct Anchor(AtomicU32);

impl Anchor {
    const_fn! {
        /// Nothing points here.
        pub fn new() -> Self {
            Self(AtomicU32::new(0))
        }
    }

    /// Counts links that come or go. They are only changed on the object's
    /// home CPU, so this needs no lock.
    #[inline(always)]
    fn add(&self, links: i32) {
        let count = self.0.load(Ordering::Relaxed);
        self.0
            .store(count.wrapping_add_signed(links), Ordering::Relaxed);
    }
}

impl Drop for Anchor {
    fn drop(&mut self) {
        assert!(
            self.0.load(Ordering::Relaxed) == 0,
            "an object was freed while linked"
        );
    }
}

/// What a [`Link`] can point to.
pub trait Anchored {
    /// Always the same field of the object that is passed in.
    fn anchor(&self) -> &Anchor;
}

/// A pointer to an object on the same CPU that does not keep it: whoever ends
/// the object clears the pointer first, which the object's [`Anchor`] checks.
/// Cheaper than a counted reference, because nothing is locked.
pub struct Link<T>(Cell<*mut T>);

impl<T: Anchored> Link<T> {
    const_fn! {
        /// Points nowhere.
        pub fn new() -> Self {
            Self(Cell::new(ptr::null_mut()))
        }
    }

    /// What it points to.
    #[inline]
    pub fn get<'cpu, L>(&self, _cpu: &'cpu PerCpu<L>) -> Option<&'cpu T> {
        // SAFETY: the object is alive, because its anchor counts this link,
        // and it is not freed before `'cpu` ends.
        unsafe { self.0.get().as_ref() }
    }

    /// True if it points to `object`.
    #[inline]
    pub fn is(&self, object: &T) -> bool {
        ptr::eq(self.0.get(), object)
    }

    /// True if it points nowhere.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.get().is_null()
    }

    /// Lets it point to `new`. Links to an object are only changed on the
    /// object's home CPU, so counting needs no lock.
    #[inline]
    pub fn set(&self, new: Option<&T>) {
        // SAFETY: as in `get`; the reference is used right here.
        if let Some(old) = unsafe { self.0.get().as_ref() } {
            old.anchor().add(-1);
        }
        if let Some(new) = new {
            new.anchor().add(1);
        }
        let new = new.map_or(ptr::null_mut(), |new| ptr::from_ref(new).cast_mut());
        self.0.set(new);
    }

    /// Lets it point to `new`; what it pointed to.
    #[inline(always)]
    pub fn replace<'cpu, L>(&self, cpu: &'cpu PerCpu<L>, new: &T) -> Option<&'cpu T> {
        let old = self.get(cpu);
        self.set(Some(new));
        old
    }

    /// Lets two that point to `old` point to `new`.
    ///
    /// # Panics
    /// If they do not.
    #[inline(always)]
    pub fn pass([one, other]: [&Self; 2], old: &T, new: &T) {
        assert!(one.is(old) && other.is(old), "a link points elsewhere");
        old.anchor().add(-2);
        new.anchor().add(2);
        let new = ptr::from_ref(new).cast_mut();
        one.0.set(new);
        other.0.set(new);
    }
}
