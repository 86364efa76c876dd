//! Copying words between UTCBs, and clearing memory.

use core::arch::asm;
use core::ptr::NonNull;
use core::sync::atomic::AtomicU64;

/// Copies `count` words, at most 63.
///
/// # Safety
/// There are so many at both places.
#[inline(always)]
pub(crate) unsafe fn copy_words(to: *const AtomicU64, from: *const AtomicU64, count: usize) {
    // SAFETY: promised by the caller. Pairs of words are written one after the
    // other, each as a whole.
    unsafe {
        asm!(
            "tbz {count}, #0, 2f",
            "ldr {a}, [{from}], #8",
            "str {a}, [{to}], #8",
            "2: tbz {count}, #1, 3f",
            "ldp {a}, {b}, [{from}], #16",
            "stp {a}, {b}, [{to}], #16",
            "3: lsr {count}, {count}, #2",
            "cbz {count}, 5f",
            "4: ldp {a}, {b}, [{from}]",
            "ldp {c}, {d}, [{from}, #16]",
            "add {from}, {from}, #32",
            "subs {count}, {count}, #1",
            "stp {a}, {b}, [{to}]",
            "stp {c}, {d}, [{to}, #16]",
            "add {to}, {to}, #32",
            "b.ne 4b",
            "5:",
            count = inout(reg) count => _,
            to = inout(reg) to => _,
            from = inout(reg) from => _,
            a = out(reg) _, b = out(reg) _, c = out(reg) _, d = out(reg) _,
            options(nostack),
        );
    }
}

/// Fills `size` bytes with zeros: page tables, mostly, which the compiler's
/// function does eight bytes at a time.
///
/// # Safety
/// They are the caller's.
#[inline]
pub(crate) unsafe fn zero(start: NonNull<u8>, size: usize) {
    let lines = size / 64;
    // SAFETY: promised by the caller.
    unsafe {
        if lines > 0 {
            asm!(
                "2: stp xzr, xzr, [{at}]",
                "stp xzr, xzr, [{at}, #16]",
                "stp xzr, xzr, [{at}, #32]",
                "stp xzr, xzr, [{at}, #48]",
                "add {at}, {at}, #64",
                "subs {lines}, {lines}, #1",
                "b.ne 2b",
                at = inout(reg) start.as_ptr() => _,
                lines = inout(reg) lines => _,
                options(nostack),
            );
        }
        start.add(lines * 64).write_bytes(0, size % 64);
    }
}
