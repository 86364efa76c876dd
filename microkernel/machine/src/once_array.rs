//! Arrays in kernel memory that come into being when they are first needed.

use core::ptr::{self, NonNull};

use crate::memory::Storage;
use crate::sync::{AtomicPtr, Ordering, const_fn};

/// A place that is empty until it gets an array, which it then keeps until
/// its owner takes the memory back. Reading it takes no lock, and no look at
/// whether it is empty: then it gives what stands for nothing there, which is
/// the same each time that its owner names it.
pub struct OnceArray<T: 'static, const N: usize>(AtomicPtr<[T; N]>);

impl<T: 'static, const N: usize> OnceArray<T, N> {
    const_fn! {
        /// An empty place, where `nothing` stands.
        pub fn empty(nothing: &'static [T; N]) -> Self {
            Self(AtomicPtr::new(ptr::from_ref(nothing).cast_mut()))
        }
    }

    /// What is here, or stands for nothing.
    #[inline]
    pub fn get(&self) -> &[T; N] {
        let array = NonNull::new(self.0.load(Ordering::Acquire));
        // SAFETY: there is always something: so nobody asks again. What is put
        // here stays until `take`, which needs the place exclusively.
        unsafe { array.unwrap_unchecked().as_ref() }
    }

    /// What is here, for its owner.
    pub fn get_mut(&mut self, nothing: &'static [T; N]) -> Option<&mut [T; N]> {
        #[cfg(not(loom))]
        let array = *self.0.get_mut();
        #[cfg(all(test, loom))]
        let array = self.0.load(Ordering::Relaxed);
        // SAFETY: as in `get`; and nobody else has it.
        (!ptr::eq(array, nothing)).then(|| unsafe { &mut *array })
    }

    /// Puts an array here, whose elements `element` makes, in `storage`, which
    /// is of its size. Gives that back if there is one already, which another
    /// CPU may just have put.
    pub fn fill(
        &self,
        nothing: &'static [T; N],
        storage: Storage,
        element: impl Fn(usize) -> T,
    ) -> Result<(), Storage> {
        assert!(storage.size() == size_of::<[T; N]>());
        let new = NonNull::from_mut(storage.into_slice(element)).cast();
        let nothing = ptr::from_ref(nothing).cast_mut();
        let filled =
            (self.0).compare_exchange(nothing, new.as_ptr(), Ordering::AcqRel, Ordering::Relaxed);
        // SAFETY: made just now, and nobody has seen it.
        filled.map(|_| ()).map_err(|_| unsafe { give_back(new) })
    }

    /// Empties the place: the memory of the array.
    pub fn take(&mut self, nothing: &'static [T; N]) -> Option<Storage> {
        let array = NonNull::from_mut(self.get_mut(nothing)?);
        *self = Self::empty(nothing);
        // SAFETY: it was here, and the place is borrowed exclusively.
        Some(unsafe { give_back(array) })
    }
}

/// # Safety
/// The array was made by [`OnceArray::fill`], and this is its last use.
unsafe fn give_back<T, const N: usize>(array: NonNull<[T; N]>) -> Storage {
    // SAFETY: promised by the caller; the storage was of this size.
    unsafe {
        array.drop_in_place();
        Storage::from_raw(array.cast(), size_of::<[T; N]>())
    }
}

#[cfg(all(test, loom))]
mod loom;
