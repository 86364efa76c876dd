//! The way from an object to its own header, for code that knows it as a
//! plain `&T` only and has to count a reference.

use core::ptr;

use super::Header;
use crate::sync::{AtomicPtr, Ordering, const_fn};

/// In an object: where its header is.
pub struct OwnHeader<C: 'static>(AtomicPtr<Header<C>>);

impl<C: 'static> OwnHeader<C> {
    const_fn! {
        /// Not known yet.
        pub fn unknown() -> Self {
            Self(AtomicPtr::new(ptr::null_mut()))
        }
    }

    /// `header` is that of the object that this is in.
    ///
    /// # Panics
    /// If it is not.
    pub fn set(&self, header: &Header<C>) {
        let start = ptr::from_ref(header).addr();
        let own = ptr::from_ref(self).addr();
        assert!(
            own >= start && own - start < header.size,
            "the header is another object's"
        );
        self.0
            .store(ptr::from_ref(header).cast_mut(), Ordering::Release);
    }

    /// The header, once it is known.
    #[inline]
    pub fn get(&self) -> Option<&Header<C>> {
        // SAFETY: this is inside the header's own object, so that is there
        // as long as `self` is.
        unsafe { self.0.load(Ordering::Acquire).as_ref() }
    }
}
