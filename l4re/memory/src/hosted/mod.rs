//! The routines on the host, where memory does not vanish.

use core::ptr;
use core::sync::atomic::{AtomicU16, Ordering};

/// # Safety
/// As [`ptr::copy_nonoverlapping`].
pub(crate) unsafe fn copy(target: *mut u8, source: *const u8, length: usize) -> u64 {
    // SAFETY: by the contract.
    unsafe { ptr::copy_nonoverlapping(source, target, length) }
    0
}

/// # Safety
/// `address` is aligned and valid.
pub(crate) unsafe fn load(address: *const u16) -> u64 {
    // SAFETY: by the contract.
    let word = unsafe { AtomicU16::from_ptr(address.cast_mut()) };
    word.load(Ordering::Acquire).into()
}

/// # Safety
/// As for [`load`].
pub(crate) unsafe fn store(address: *mut u16, word: u16) -> u64 {
    // SAFETY: by the contract.
    unsafe { AtomicU16::from_ptr(address) }.store(word, Ordering::Release);
    0
}

/// Nobody sees memory without caches.
///
/// # Safety
/// None is needed.
pub(crate) unsafe fn clean(_start: u64, _end: u64) -> u64 {
    0
}

/// There is no region map that could let anybody continue.
pub(crate) fn routines() -> Option<(u64, u64, u64)> {
    None
}
