//! How objects end: those that are to be destroyed, and those that nothing
//! refers to any more.

use core::ptr::{self, NonNull};

use super::{AnyRef, Header, Object};
use crate::memory::Storage;
use crate::per_cpu::PerCpu;
use crate::sync::{AtomicBool, AtomicPtr, Ordering, const_fn};

/// Objects that one CPU has yet to do something with, each kept by a counted
/// reference. An object is on one queue once in its life.
pub struct Queue<C: 'static> {
    first: AtomicPtr<Header<C>>,
}

impl<C: 'static> Queue<C> {
    const_fn! {
        /// Nothing queued.
        pub fn new() -> Self {
            Self {
                first: AtomicPtr::new(ptr::null_mut()),
            }
        }
    }

    /// True if nothing is queued.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.first.load(Ordering::Relaxed).is_null()
    }

    /// Queues `object`.
    pub fn push(&self, object: AnyRef<C>) {
        let object = object.into_raw();
        let first = self.first.swap(object, Ordering::Relaxed);
        // SAFETY: counted by the queue from here on.
        unsafe { &*object }.next.store(first, Ordering::Relaxed);
    }

    /// Queues `object`, unless `is_queued` says that somebody has, on whatever queue.
    pub fn push_once(&self, object: &Header<C>, is_queued: &AtomicBool) {
        // Counted before it is queued: who comes second may drop all other
        // references, and what is dead is on the reaper's list by the same link.
        let object = object.any_ref();
        if !is_queued.swap(true, Ordering::AcqRel) {
            self.push(object);
        }
    }

    /// Takes the object that was queued last.
    pub fn pop(&self) -> Option<AnyRef<C>> {
        let first = NonNull::new(self.first.load(Ordering::Relaxed))?;
        // SAFETY: counted by the queue.
        let next = unsafe { first.as_ref() }.next.load(Ordering::Relaxed);
        self.first.store(next, Ordering::Relaxed);
        Some(AnyRef(first))
    }
}

/// Objects without references that wait to be freed.
pub struct Reaper<C: 'static> {
    dead: AtomicPtr<Header<C>>,
}

impl<C: 'static> Reaper<C> {
    const_fn! {
        /// Nothing waits.
        pub fn new() -> Self {
            Self {
                dead: AtomicPtr::new(ptr::null_mut()),
            }
        }
    }

    /// True if nothing waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.dead.load(Ordering::Relaxed).is_null()
    }

    pub(super) fn push(&self, object: NonNull<Header<C>>) {
        let mut head = self.dead.load(Ordering::Relaxed);
        loop {
            // SAFETY: the count fell to zero, so the object is the reaper's.
            unsafe { object.as_ref() }
                .next
                .store(head, Ordering::Relaxed);
            match self.dead.compare_exchange_weak(
                head,
                object.as_ptr(),
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    /// Takes all dead objects. The exclusive borrow shows that this CPU holds
    /// no plain references; that the others do not either is the caller's
    /// grace period.
    pub fn take<L>(&self, _cpu: &mut PerCpu<L>) -> DeadObjects<C> {
        DeadObjects(self.dead.swap(ptr::null_mut(), Ordering::Acquire))
    }
}

/// Objects to be freed; all have to be.
#[must_use]
pub struct DeadObjects<C: 'static>(*mut Header<C>);

impl<C: 'static> Iterator for DeadObjects<C> {
    type Item = Dead<C>;

    fn next(&mut self) -> Option<Dead<C>> {
        loop {
            let object = NonNull::new(self.0)?;
            // SAFETY: dead objects stay until they are freed, which only
            // happens to those that this gives out.
            let header = unsafe { object.as_ref() };
            self.0 = header.next.load(Ordering::Relaxed);
            if header.leave_the_dead() {
                return Some(Dead(object));
            }
        }
    }
}

impl<C: 'static> Drop for DeadObjects<C> {
    fn drop(&mut self) {
        debug_assert!(self.0.is_null(), "dead objects were not freed");
    }
}

/// What the memory of a freed object is filled with.
const FREED: u8 = 0xf4;

/// An object that nothing refers to any more, not freed yet.
#[must_use]
pub struct Dead<C: 'static>(NonNull<Header<C>>);

impl<C: 'static> Dead<C> {
    /// The object, if it is a `T`, to take apart what it has.
    pub fn downcast<T: 'static>(&mut self) -> Option<&mut T> {
        // SAFETY: still there.
        unsafe { self.0.as_ref() }.downcast::<T>()?;
        // SAFETY: it is an `Object<C, T>`, and ours alone.
        Some(unsafe { &mut (*self.0.cast::<Object<C, T>>().as_ptr()).value })
    }

    /// The object's header.
    pub fn header(&self) -> &Header<C> {
        // SAFETY: still there.
        unsafe { self.0.as_ref() }
    }

    /// Drops the object; gives its memory, and what it had in common with all
    /// objects.
    pub fn free(self) -> (Storage, C) {
        // SAFETY: still there, and ours alone.
        let header = unsafe { self.0.as_ref() };
        let (drop, size) = (header.class.drop, header.size);
        // SAFETY: `drop` is that of the object's own type. The other fields
        // of the header need no drop, and what is common is moved out.
        unsafe {
            drop(self.0);
            let common = (&raw const (*self.0.as_ptr()).common).read();
            if cfg!(debug_assertions) {
                // Whoever still finds it does not get far.
                self.0.cast::<u8>().write_bytes(FREED, size);
            }
            (Storage::from_raw(self.0.cast(), size), common)
        }
    }
}
