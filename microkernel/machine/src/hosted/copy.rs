//! Copying words between UTCBs.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Copies `count` words.
///
/// # Safety
/// There are so many at both places.
pub(crate) unsafe fn copy_words(to: *const AtomicU64, from: *const AtomicU64, count: usize) {
    for index in 0..count {
        // SAFETY: promised by the caller.
        let (to, from) = unsafe { (&*to.add(index), &*from.add(index)) };
        to.store(from.load(Relaxed), Relaxed);
    }
}
