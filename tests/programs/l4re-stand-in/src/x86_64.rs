//! A load that may fail.

use core::arch::global_asm;

global_asm!(
    ".global l4re_try_read, l4re_try_read_end, l4re_try_read_failed",
    "l4re_try_read: mov rax, [rdi]",
    "l4re_try_read_end: mov edx, 1",
    "ret",
    "l4re_try_read_failed: xor edx, edx",
    "ret",
);
