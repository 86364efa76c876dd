//! What other CPUs ask of a CPU: a list of items that anybody may add to
//! without a lock and without memory, and from which the CPU takes them in
//! the order in which they came.
//!
//! The node is inside the item, so an item is in one inbox at a time. While
//! it is there it keeps itself ([`Posted::keep`]), which its node's drop
//! checks.

use core::ptr;

use crate::per_cpu::PerCpu;
use crate::sync::{AtomicPtr, AtomicU32, Ordering, const_fn};

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

/// What came of posting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The inbox was empty: its CPU has to be told.
    First,
    /// Something is there already, of which the CPU was told.
    More,
    /// The item itself is there already.
    Already,
}

/// The inbox of a CPU.
pub struct Inbox<T> {
    /// The item posted last; each knows the one posted before it.
    last: AtomicPtr<T>,
    /// The oldest item of those that the CPU has turned round; each knows the
    /// one posted after it. The CPU's own.
    oldest: AtomicPtr<T>,
}

impl<T: Posted> Inbox<T> {
    const_fn! {
        /// An empty inbox.
        pub fn new() -> Self {
            Self {
                last: AtomicPtr::new(ptr::null_mut()),
                oldest: AtomicPtr::new(ptr::null_mut()),
            }
        }
    }

    /// Posts `item`. What the poster wrote before, the CPU sees when it has
    /// taken it; also if it was there already, as long as what was written is
    /// atomic.
    pub fn post(&self, item: &T) -> Delivery {
        let envelope = item.envelope();
        if envelope.posted.swap(1, Ordering::AcqRel) == 1 {
            return Delivery::Already;
        }
        item.keep();
        let item = ptr::from_ref(item).cast_mut();
        let mut last = self.last.load(Ordering::Relaxed);
        loop {
            envelope.next.store(last, Ordering::Relaxed);
            match self
                .last
                .compare_exchange(last, item, Ordering::Release, Ordering::Relaxed)
            {
                Ok(_) if last.is_null() => return Delivery::First,
                Ok(_) => return Delivery::More,
                Err(now) => last = now,
            }
        }
    }

    /// True if nothing is there.
    pub fn is_empty(&self) -> bool {
        self.oldest.load(Ordering::Relaxed).is_null() && self.last.load(Ordering::Relaxed).is_null()
    }

    /// Takes the item that was posted first, and what kept it. Only the
    /// inbox's own CPU does that. From here on the item can be posted again,
    /// so what it asks is read afterwards.
    pub fn take<'cpu, L>(&self, _cpu: &'cpu PerCpu<L>) -> Option<(&'cpu T, T::Kept)> {
        let mut oldest = self.oldest.load(Ordering::Relaxed);
        if oldest.is_null() {
            oldest = self.turn_round();
        }
        // SAFETY: an item in an inbox is alive (its envelope checks that);
        // and what dies is freed only when the `PerCpu` is borrowed whole,
        // which `'cpu` excludes.
        let item = unsafe { oldest.as_ref() }?;
        let next = item.envelope().next.load(Ordering::Relaxed);
        self.oldest.store(next, Ordering::Relaxed);
        let kept = item.let_go();
        // An exchange, to see what whoever found it posted wrote before.
        item.envelope().posted.swap(0, Ordering::AcqRel);
        Some((item, kept))
    }

    /// Takes all that was posted; the oldest.
    fn turn_round(&self) -> *mut T {
        let mut newest = self.last.swap(ptr::null_mut(), Ordering::Acquire);
        let mut oldest = ptr::null_mut();
        // SAFETY: an item in an inbox is alive, and nobody else changes
        // `next` while it is posted.
        while let Some(item) = unsafe { newest.as_ref() } {
            let before = item.envelope().next.load(Ordering::Relaxed);
            item.envelope().next.store(oldest, Ordering::Relaxed);
            oldest = newest;
            newest = before;
        }
        oldest
    }
}

#[cfg(test)]
#[path = "inbox/tests.rs"]
mod tests;
