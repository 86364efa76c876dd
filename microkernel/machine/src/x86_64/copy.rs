//! Copying words between UTCBs.

use core::arch::asm;
use core::sync::atomic::AtomicU64;

/// Copies `count` words.
///
/// # Safety
/// There are so many at both places.
#[inline(always)]
pub(crate) unsafe fn copy_words(to: *const AtomicU64, from: *const AtomicU64, count: usize) {
    // SAFETY: promised by the caller; each word is read and written as a
    // whole, and the direction flag is clear.
    unsafe {
        asm!(
            "rep movsq",
            inout("rcx") count => _,
            inout("rdi") to => _,
            inout("rsi") from => _,
            options(nostack, preserves_flags),
        );
    }
}
