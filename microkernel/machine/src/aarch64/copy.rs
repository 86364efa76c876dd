//! Copying words between UTCBs, and the functions for copying and clearing
//! that the compiler calls. Its own ones go by single words or bytes.

use core::arch::{asm, naked_asm};
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

/// Copies `count` bytes. All accesses are aligned: boot code runs without the
/// MMU.
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, count: usize) -> *mut u8 {
    naked_asm!(
        "mov x3, x0",
        "eor x4, x0, x1",
        "tst x4, #7",
        "b.ne 5f",
        "1: tst x3, #7",
        "b.eq 8f",
        "cbz x2, 7f",
        "ldrb w4, [x1], #1",
        "strb w4, [x3], #1",
        "sub x2, x2, #1",
        "b 1b",
        "8: subs x2, x2, #16",
        "b.lo 3f",
        "2: ldp x4, x5, [x1], #16",
        "stp x4, x5, [x3], #16",
        "subs x2, x2, #16",
        "b.hs 2b",
        // Below zero by now, but the low bits are those of what is left.
        "3: tbz x2, #3, 4f",
        "ldr x4, [x1], #8",
        "str x4, [x3], #8",
        "4: and x2, x2, #7",
        "5: cbz x2, 7f",
        "6: ldrb w4, [x1], #1",
        "strb w4, [x3], #1",
        "subs x2, x2, #1",
        "b.ne 6b",
        "7: ret",
    )
}

/// Fills `count` bytes with the lowest byte of `value`.
#[unsafe(no_mangle)]
#[unsafe(naked)]
unsafe extern "C" fn memset(to: *mut u8, value: i32, count: usize) -> *mut u8 {
    naked_asm!(
        "mov x3, x0",
        "and x1, x1, #0xff",
        "1: tst x3, #7",
        "b.eq 8f",
        "cbz x2, 7f",
        "strb w1, [x3], #1",
        "sub x2, x2, #1",
        "b 1b",
        "8: mov x4, #0x0101010101010101",
        "mul x4, x4, x1",
        "subs x2, x2, #64",
        "b.lo 3f",
        "2: stp x4, x4, [x3]",
        "stp x4, x4, [x3, #16]",
        "stp x4, x4, [x3, #32]",
        "stp x4, x4, [x3, #48]",
        "add x3, x3, #64",
        "subs x2, x2, #64",
        "b.hs 2b",
        "3: tbz x2, #5, 4f",
        "stp x4, x4, [x3], #16",
        "stp x4, x4, [x3], #16",
        "4: tbz x2, #4, 5f",
        "stp x4, x4, [x3], #16",
        "5: tbz x2, #3, 6f",
        "str x4, [x3], #8",
        "6: and x2, x2, #7",
        "cbz x2, 7f",
        "9: strb w1, [x3], #1",
        "subs x2, x2, #1",
        "b.ne 9b",
        "7: ret",
    )
}
