//! Copying words between UTCBs, and clearing memory.

use core::ptr::NonNull;
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

/// Fills `size` bytes with zeros.
///
/// # Safety
/// They are the caller's.
#[inline]
pub(crate) unsafe fn zero(start: NonNull<u8>, size: usize) {
    // SAFETY: promised by the caller.
    unsafe { start.write_bytes(0, size) };
}
