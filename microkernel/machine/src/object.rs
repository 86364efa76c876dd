//! Counted references to kernel objects.
//!
//! An object lives in kernel memory ([`Storage`]) behind a header. Counted
//! references ([`Ref`], [`AnyRef`], [`Slot`]) keep it; when the last one goes,
//! the object goes to the [`Reaper`], which frees it when no CPU can still
//! hold a plain reference from the current kernel entry. So what is read out
//! of a [`Slot`] is a plain `&T`, good until the entry ends, with no counting.

mod labelled;
mod link;
mod own;
pub mod pair;
mod reaper;
mod slot;

use core::any::TypeId;
use core::marker::PhantomData;
use core::ops::Deref;
use core::ptr::{self, NonNull};

use crate::memory::Storage;
use crate::per_cpu::PerCpu;
use crate::sync::{AtomicPtr, AtomicUsize, Ordering};

pub use labelled::LabelledSlot;
pub use link::{Anchor, Anchored, Link};
pub use own::OwnHeader;
pub use reaper::{Dead, DeadObjects, Queue, Reaper};
pub use slot::{RefSlot, Slot};

/// What stands before every object; `C` is the part that all kinds share.
#[repr(C)]
pub struct Header<C: 'static> {
    /// How many references there are, and [`DEAD`].
    count: AtomicUsize,
    class: &'static Class<C>,
    size: usize,
    /// The next on the list that the object is on: of a [`Queue`], later of
    /// the [`Reaper`].
    next: AtomicPtr<Header<C>>,
    reaper: &'static Reaper<C>,
    common: C,
}

/// What all objects of one type have in common.
struct Class<C: 'static> {
    kind: TypeId,
    drop: unsafe fn(NonNull<Header<C>>),
}

impl<C: 'static, T: 'static> Object<C, T> {
    const CLASS: &'static Class<C> = &Class {
        kind: TypeId::of::<T>(),
        drop: drop_value::<C, T>,
    };
}

/// In the count: the object is on the [`Reaper`]'s list. Who still had a plain
/// reference may have made counted ones of it since.
const DEAD: usize = 1 << (usize::BITS - 1);

#[repr(C, align(64))]
struct Object<C: 'static, T> {
    header: Header<C>,
    value: T,
}

impl<C: 'static> Header<C> {
    /// The object, if it is a `T`.
    #[inline]
    pub fn downcast<T: 'static>(&self) -> Option<&T>
    where
        C: 'static,
    {
        // A type may have its class more than once in the kernel's image.
        let class = Object::<C, T>::CLASS;
        if ptr::eq(self.class, class) || self.class.kind == class.kind {
            // SAFETY: the header was made by `Ref::<C, T>::new` for this very
            // `T`, as the first field of an `Object<C, T>`.
            let object = unsafe { &*ptr::from_ref(self).cast::<Object<C, T>>() };
            Some(&object.value)
        } else {
            None
        }
    }

    /// The part that all kinds of objects have.
    #[inline]
    pub fn common(&self) -> &C {
        &self.common
    }

    /// True for the same object.
    #[inline]
    pub fn is(&self, other: &Self) -> bool {
        ptr::eq(self, other)
    }

    /// Off the reaper's list: true if there is no reference. Else the last one
    /// puts the object there again.
    fn leave_the_dead(&self) -> bool {
        let old = self.count.fetch_and(!DEAD, Ordering::Acquire);
        old == DEAD
    }

    /// One more counted reference.
    #[inline]
    pub fn any_ref(&self) -> AnyRef<C> {
        self.count.fetch_add(1, Ordering::Relaxed);
        AnyRef(NonNull::from(self))
    }
}

/// The bytes of storage that an object of type `T` takes.
pub const fn size_of_object<C: 'static, T>() -> usize {
    size_of::<Object<C, T>>()
}

/// A counted reference to an object of any kind.
pub struct AnyRef<C: 'static>(NonNull<Header<C>>);

// SAFETY: objects are shared between CPUs; what is in them is `Sync`, which
// `Ref::new` demands.
unsafe impl<C: Send + Sync + 'static> Send for AnyRef<C> {}
// SAFETY: likewise.
unsafe impl<C: Send + Sync + 'static> Sync for AnyRef<C> {}

impl<C: 'static> AnyRef<C> {
    /// As a plain reference that is good until the kernel entry ends.
    #[inline]
    pub fn get<'cpu, L>(&self, _cpu: &'cpu PerCpu<L>) -> &'cpu Header<C> {
        // SAFETY: counted now, and freed only when no `'cpu` borrow is left.
        unsafe { self.0.as_ref() }
    }

    fn into_raw(self) -> *mut Header<C> {
        let raw = self.0.as_ptr();
        core::mem::forget(self);
        raw
    }

    /// The reference that `into_raw` gave.
    fn from_raw(raw: *mut Header<C>) -> Self {
        // Never null: it came from a reference.
        Self(NonNull::new(raw).expect("a reference"))
    }
}

impl<C: 'static> Deref for AnyRef<C> {
    type Target = Header<C>;
    #[inline]
    fn deref(&self) -> &Header<C> {
        // SAFETY: counted.
        unsafe { self.0.as_ref() }
    }
}

impl<C: 'static> Clone for AnyRef<C> {
    fn clone(&self) -> Self {
        self.any_ref()
    }
}

impl<C: 'static> Drop for AnyRef<C> {
    #[inline]
    fn drop(&mut self) {
        let count = &self.deref().count;
        // Release: what this holder did is before the free. The reaper's
        // exchange has the acquire. It is dead if nobody has made another
        // reference, nor found it dead, in between.
        if count.fetch_sub(1, Ordering::Release) == 1
            && count
                .compare_exchange(0, DEAD, Ordering::Acquire, Ordering::Relaxed)
                .is_ok()
        {
            self.deref().reaper.push(self.0);
        }
    }
}

/// A counted reference to an object of type `T`.
pub struct Ref<C: 'static, T> {
    any: AnyRef<C>,
    kind: PhantomData<fn() -> T>,
}

impl<C: Send + Sync + 'static, T: Send + Sync + 'static> Ref<C, T> {
    /// Makes an object in `storage`, which is large enough, in place.
    #[inline(always)]
    pub fn new(
        storage: Storage,
        reaper: &'static Reaper<C>,
        common: C,
        value: impl FnOnce() -> T,
    ) -> Self {
        assert!(storage.size() >= size_of::<Object<C, T>>());
        let (start, size) = storage.into_raw();
        let object = start.cast::<Object<C, T>>();
        let header = Header {
            count: AtomicUsize::new(1),
            class: Object::<C, T>::CLASS,
            size,
            next: AtomicPtr::new(ptr::null_mut()),
            reaper,
            common,
        };
        // SAFETY: the storage is large enough, aligned, and ours alone. Written
        // by parts, so that a large value is not copied twice.
        unsafe {
            (&raw mut (*object.as_ptr()).header).write(header);
            (&raw mut (*object.as_ptr()).value).write(value());
        }
        Self {
            any: AnyRef(object.cast()),
            kind: PhantomData,
        }
    }
}

/// Drops the value behind a header, but not the header.
///
/// # Safety
/// The header is that of an `Object<C, T>` that nothing refers to any more.
unsafe fn drop_value<C: 'static, T>(header: NonNull<Header<C>>) {
    // SAFETY: promised by the caller.
    unsafe { (&raw mut (*header.cast::<Object<C, T>>().as_ptr()).value).drop_in_place() };
}

impl<C: 'static, T> Ref<C, T> {
    /// As a plain reference that is good until the kernel entry ends.
    #[inline]
    pub fn get<'cpu, L>(&self, cpu: &'cpu PerCpu<L>) -> &'cpu T {
        let header: &'cpu Header<C> = self.any.get(cpu);
        // SAFETY: a `Ref<C, T>` is only made for an `Object<C, T>`.
        let object = unsafe { &*ptr::from_ref(header).cast::<Object<C, T>>() };
        &object.value
    }

    /// The header.
    #[inline]
    pub fn header(&self) -> &Header<C> {
        &self.any
    }

    /// The same reference, of no particular kind.
    pub fn into_any(self) -> AnyRef<C> {
        self.any
    }
}

impl<C: 'static, T: 'static> Ref<C, T> {
    /// A reference to `value`'s object, if it is in one whose header is
    /// `header`.
    pub fn from_header(header: &Header<C>) -> Option<Self> {
        header.downcast::<T>()?;
        Some(Self {
            any: header.any_ref(),
            kind: PhantomData,
        })
    }
}

impl<C: 'static, T> Deref for Ref<C, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: a `Ref<C, T>` is only made for an `Object<C, T>`, and it
        // counts.
        let object = unsafe { self.any.0.cast::<Object<C, T>>().as_ref() };
        &object.value
    }
}

impl<C: 'static, T> Clone for Ref<C, T> {
    fn clone(&self) -> Self {
        Self {
            any: self.any.clone(),
            kind: PhantomData,
        }
    }
}

#[cfg(test)]
mod tests;
