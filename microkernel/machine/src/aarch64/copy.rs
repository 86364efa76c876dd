//! Copying words between UTCBs, and clearing memory.

use core::arch::asm;
use core::ptr::NonNull;
use core::sync::atomic::AtomicU64;

/// Copies `count` words, at most 63.
///
/// # Safety
/// There are so many at both places, and not more than 63.
#[inline(always)]
pub(crate) unsafe fn copy_words(to: *const AtomicU64, from: *const AtomicU64, count: usize) {
    // SAFETY: promised by the caller. Pairs of words are written one after the
    // other, each as a whole. The jump goes as many pairs, of eight bytes of
    // code each, before the end as are to be copied.
    unsafe {
        asm!(
            "tbz {count}, #0, 2f",
            "sub {count}, {count}, #1",
            "ldr {a}, [{from}, {count}, lsl #3]",
            "str {a}, [{to}, {count}, lsl #3]",
            "2: adr {a}, 3f",
            "sub {a}, {a}, {count}, lsl #2",
            "br {a}",
            ".irp pair, 30,29,28,27,26,25,24,23,22,21,20,19,18,17,16,15,14,13,12,11,10,9,8,7,6,5,4,3,2,1,0",
            "ldp {a}, {b}, [{from}, #16 * \\pair]",
            "stp {a}, {b}, [{to}, #16 * \\pair]",
            ".endr",
            "3:",
            count = inout(reg) count => _,
            to = in(reg) to,
            from = in(reg) from,
            a = out(reg) _, b = out(reg) _,
            options(nostack, preserves_flags),
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
