//! Values that live in kernel memory and have one owner.

use core::ops::{Deref, DerefMut};
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};

use crate::memory::{STORAGE_ALIGNMENT, Storage};

/// A value in kernel memory. Whoever ends with one gives its storage back to
/// where that came from ([`KernelBox::into_storage`]); dropping the box
/// instead would leak the memory, so it stops the kernel.
#[must_use]
pub struct KernelBox<T> {
    value: NonNull<T>,
}

// SAFETY: it owns the value.
unsafe impl<T: Send> Send for KernelBox<T> {}
// SAFETY: it only lends the value out shared.
unsafe impl<T: Sync> Sync for KernelBox<T> {}

impl<T, const N: usize> KernelBox<[T; N]> {
    /// An array whose elements `element` makes, in `storage`, which is of its
    /// size.
    pub fn new_array(storage: Storage, element: impl Fn(usize) -> T) -> Self {
        assert!(storage.size() == size_of::<[T; N]>() && align_of::<T>() <= STORAGE_ALIGNMENT);
        let first = storage.into_raw().0.cast::<T>();
        for index in 0..N {
            // SAFETY: the array fits into the storage, which is ours.
            unsafe { first.add(index).write(element(index)) };
        }
        Self {
            value: first.cast(),
        }
    }
}

impl<T> KernelBox<T> {
    /// Puts `value` into `storage`, which is of its size.
    pub fn new(storage: Storage, value: T) -> Self {
        assert!(storage.size() == size_of::<T>() && align_of::<T>() <= STORAGE_ALIGNMENT);
        let place = storage.into_raw().0.cast::<T>();
        // SAFETY: the value fits into the storage, which is ours.
        unsafe { place.write(value) };
        Self { value: place }
    }

    /// Drops the value and gives its memory.
    pub fn into_storage(self) -> Storage {
        let value = self.value;
        core::mem::forget(self);
        // SAFETY: we own the value, and nothing uses the storage afterwards.
        unsafe {
            value.drop_in_place();
            Storage::from_raw(value.cast(), size_of::<T>())
        }
    }

    /// For the rest of the kernel's life.
    pub fn leak(self) -> &'static mut T {
        let mut value = self.value;
        core::mem::forget(self);
        // SAFETY: never freed from here on, and this was the one way to it.
        unsafe { value.as_mut() }
    }
}

impl<T> Deref for KernelBox<T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: owned and initialised.
        unsafe { self.value.as_ref() }
    }
}

impl<T> DerefMut for KernelBox<T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: owned and initialised.
        unsafe { self.value.as_mut() }
    }
}

impl<T> Drop for KernelBox<T> {
    fn drop(&mut self) {
        panic!("kernel memory was not given back");
    }
}

/// A place that is empty until it gets a [`KernelBox`], which it then keeps
/// until its owner takes it apart. Reading it takes no lock, and no look at
/// whether it is empty: then it gives what stands for nothing there, which is
/// the same each time that its owner names it.
pub struct OnceBox<T: 'static> {
    value: AtomicPtr<T>,
}

impl<T: 'static> OnceBox<T> {
    /// An empty place, where `nothing` stands.
    pub const fn empty(nothing: &'static T) -> Self {
        Self {
            value: AtomicPtr::new(ptr::from_ref(nothing).cast_mut()),
        }
    }

    /// What is here, or stands for nothing.
    #[inline]
    pub fn get(&self) -> &T {
        let value = NonNull::new(self.value.load(Ordering::Acquire));
        // SAFETY: there is always something. What is set stays until `take`,
        // which needs the place exclusively.
        unsafe { value.unwrap_unchecked().as_ref() }
    }

    /// Puts `value` here; gives it back if something is here already, which
    /// another CPU may just have put.
    pub fn set(&self, nothing: &'static T, value: KernelBox<T>) -> Result<&T, KernelBox<T>> {
        match self.value.compare_exchange(
            ptr::from_ref(nothing).cast_mut(),
            value.value.as_ptr(),
            Ordering::AcqRel,
            Ordering::Acquire,
        ) {
            Ok(_) => Ok(value.leak()),
            Err(_) => Err(value),
        }
    }

    /// Empties the place.
    pub fn take(&mut self, nothing: &'static T) -> Option<KernelBox<T>> {
        let value = NonNull::from_ref(self.get());
        *self = Self::empty(nothing);
        (value != NonNull::from_ref(nothing)).then(|| KernelBox { value })
    }
}
