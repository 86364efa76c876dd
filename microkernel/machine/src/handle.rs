//! References between the parts of a data structure in kernel memory.

use core::fmt;
use core::ops::Deref;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};

use crate::memory::{STORAGE_ALIGNMENT, Storage};

/// A reference to a value in kernel memory that other parts of the same data structure refer to
/// as well.
///
/// It can be copied and does not keep the value alive. The rule: whoever calls [`Handle::new`]
/// owns the value, and calls [`Handle::into_storage`] once, after the last other handle to it has
/// gone out of use. The kernel's data structures keep it by being trees: a value is freed by the
/// one function that unlinks it. With debug assertions the memory of a freed value is marked, and
/// using a handle to it stops the kernel.
pub struct Handle<T>(NonNull<T>);

impl<T> Handle<T> {
    /// What marks the memory of a freed value.
    const FREED: u64 = 0xdead_f4ee_dead_f4ee;

    /// Puts `value` into `storage`.
    ///
    /// # Panics
    /// If the value does not fit.
    #[inline]
    pub fn new(storage: Storage, value: T) -> Self {
        assert!(
            size_of::<T>() <= storage.size()
                && align_of::<T>() <= STORAGE_ALIGNMENT
                && size_of::<T>() >= size_of::<u64>()
                && align_of::<T>() >= align_of::<u64>()
        );
        let place = storage.into_raw().0.cast::<T>();
        // SAFETY: it fits, is aligned, and the memory is ours.
        unsafe { place.write(value) };
        Self(place)
    }

    /// Gives the value and its memory. `size` is that of the storage it was put into.
    #[inline]
    pub fn into_parts(this: Self, size: usize) -> (T, Storage) {
        this.check();
        // SAFETY: by the rule above this is the last use of the value.
        unsafe {
            let value = this.0.read();
            if cfg!(debug_assertions) {
                this.0.cast::<u64>().write(Self::FREED);
            }
            (value, Storage::from_raw(this.0.cast(), size))
        }
    }

    /// Drops the value and gives its memory. `size` is that of the storage it was put into.
    #[inline]
    pub fn into_storage(this: Self, size: usize) -> Storage {
        Self::into_parts(this, size).1
    }

    /// Where the kernel finds the value.
    #[inline]
    pub fn address(this: Self) -> usize {
        this.0.addr().get()
    }

    /// A handle to a part of something in kernel memory, under the same rule.
    #[inline]
    pub fn to_part(part: &T) -> Self {
        Self(NonNull::from_ref(part))
    }

    #[inline]
    fn check(self) {
        if cfg!(debug_assertions) {
            // SAFETY: kernel memory is always mapped, and values have at least a word.
            let first = unsafe { self.0.cast::<u64>().read_volatile() };
            assert!(first != Self::FREED, "a freed value was used");
        }
    }
}

impl<T> Clone for Handle<T> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Handle<T> {}

impl<T> PartialEq for Handle<T> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<T> Eq for Handle<T> {}

impl<T> fmt::Debug for Handle<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "handle {:p}", self.0)
    }
}

impl<T> Deref for Handle<T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        self.check();
        // SAFETY: by the rule above the value is there.
        unsafe { self.0.as_ref() }
    }
}

// SAFETY: handles are shared references to values that are shared between CPUs.
unsafe impl<T: Send + Sync> Send for Handle<T> {}
// SAFETY: likewise.
unsafe impl<T: Send + Sync> Sync for Handle<T> {}

/// A place for a [`Handle`], or for none. What orders accesses is the lock of the data structure
/// that the place is part of.
#[repr(transparent)]
pub struct Link<T>(AtomicPtr<T>);

impl<T> Link<T> {
    /// An empty place.
    pub const fn empty() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// A place with something in it.
    pub const fn new(handle: Handle<T>) -> Self {
        Self(AtomicPtr::new(handle.0.as_ptr()))
    }

    /// What is here.
    #[inline]
    pub fn get(&self) -> Option<Handle<T>> {
        NonNull::new(self.0.load(Ordering::Relaxed)).map(Handle)
    }

    /// Puts something else here.
    #[inline]
    pub fn set(&self, handle: Option<Handle<T>>) {
        let pointer = handle.map_or(ptr::null_mut(), |handle| handle.0.as_ptr());
        self.0.store(pointer, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::PhysicalAddress;
    use crate::memory::KernelMemory;

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "a freed value was used")]
    fn use_of_a_freed_value_is_noticed() {
        let memory = KernelMemory::hosted(PhysicalAddress::new(0), 1);
        let handle = Handle::new(memory.claim(0, 64), 1_u64);
        let _ = Handle::into_storage(handle, 64);
        let _ = *handle;
    }
}
