//! What other CPUs ask of a CPU: a list of items that anybody may add to
//! without a lock and without memory, and from which the CPU takes them in
//! the order in which they came, each in the same few instructions.
//!
//! A poster becomes the last one in one step, and links its item to the one
//! before in another. Nothing comes between the two but what is between two
//! instructions of the kernel, so the CPU waits for the second one if it needs
//! that.
//!
//! The node is inside the item, so an item is in one inbox at a time. While
//! it is there it keeps itself ([`Posted::keep`]), which its node's drop
//! checks.

use core::ptr;

use crate::per_cpu::PerCpu;
use crate::sync::{AtomicPtr, AtomicU32, Ordering, const_fn, spin_loop};

/// The node inside an item.
pub struct Envelope<T> {
    next: AtomicPtr<T>,
    /// 1 while an inbox has the item.
    posted: AtomicU32,
}

impl<T> Envelope<T> {
    const_fn! {
        /// A node in no inbox.
        pub fn new() -> Self {
            Self {
                next: AtomicPtr::new(ptr::null_mut()),
                posted: AtomicU32::new(0),
            }
        }
    }
}

impl<T> Envelope<T> {
    /// True while an inbox has the item.
    pub fn is_posted(&self) -> bool {
        self.posted.load(Ordering::Relaxed) == 1
    }
}

impl<T> Drop for Envelope<T> {
    fn drop(&mut self) {
        assert!(
            self.posted.load(Ordering::Relaxed) == 0,
            "an item was freed while in an inbox"
        );
    }
}

/// What can be posted.
pub trait Posted: Sized {
    /// What keeps an item in an inbox.
    type Kept;
    /// Always the same field of the item that is passed in.
    fn envelope(&self) -> &Envelope<Self>;
    /// It goes into an inbox, and must stay until it is taken out.
    fn keep(&self);
    /// It is taken out: who asked now decides how long it stays.
    fn let_go(&self) -> Self::Kept;
}

/// The inbox of a CPU.
pub struct Inbox<T> {
    /// The item posted last; null: none is there.
    last: AtomicPtr<T>,
    /// The item posted first; each knows the one posted after it. Changed by
    /// the CPU, and by who posts to an empty inbox.
    first: AtomicPtr<T>,
}

impl<T: Posted> Inbox<T> {
    const_fn! {
        /// An empty inbox.
        pub fn new() -> Self {
            Self {
                last: AtomicPtr::new(ptr::null_mut()),
                first: AtomicPtr::new(ptr::null_mut()),
            }
        }
    }

    /// Posts `item`, if it is not there already. True if the inbox was empty:
    /// its CPU has to be told. What the poster wrote before, the CPU sees when it has
    /// taken it; also if it was there already, as long as what was written is
    /// atomic.
    pub fn post(&self, item: &T) -> bool {
        let envelope = item.envelope();
        if envelope.posted.swap(1, Ordering::AcqRel) == 1 {
            return false;
        }
        item.keep();
        envelope.next.store(ptr::null_mut(), Ordering::Relaxed);
        let item = ptr::from_ref(item).cast_mut();
        let before = self.last.swap(item, Ordering::AcqRel);
        // SAFETY: an item that was the last one stays in the inbox until the
        // next is linked to it.
        let place = match unsafe { before.as_ref() } {
            Some(before) => &before.envelope().next,
            None => &self.first,
        };
        place.store(item, Ordering::Release);
        before.is_null()
    }

    /// True if nothing is there.
    pub fn is_empty(&self) -> bool {
        self.last.load(Ordering::Relaxed).is_null()
    }

    /// Takes the item that was posted first, and what kept it. Only the
    /// inbox's own CPU does that. From here on the item can be posted again,
    /// so what it asks is read afterwards.
    pub fn take<'cpu, L>(&self, _cpu: &'cpu PerCpu<L>) -> Option<(&'cpu T, T::Kept)> {
        let first = self.first.load(Ordering::Acquire);
        // SAFETY: an item in an inbox is alive (its envelope checks that);
        // and what dies is freed only when the `PerCpu` is borrowed whole,
        // which `'cpu` excludes.
        let item = unsafe { first.as_ref() }?;
        let mut next = item.envelope().next.load(Ordering::Acquire);
        if next.is_null() {
            // Before the inbox is empty: then this is the next poster's.
            self.first.store(next, Ordering::Relaxed);
            let emptied =
                self.last
                    .compare_exchange(first, next, Ordering::AcqRel, Ordering::Relaxed);
            while emptied.is_err() && next.is_null() {
                spin_loop();
                next = item.envelope().next.load(Ordering::Acquire);
            }
        }
        if !next.is_null() {
            self.first.store(next, Ordering::Relaxed);
        }
        let kept = item.let_go();
        // An exchange, to see what whoever found it posted wrote before.
        item.envelope().posted.swap(0, Ordering::AcqRel);
        Some((item, kept))
    }
}

#[cfg(test)]
#[path = "inbox/tests.rs"]
mod tests;
