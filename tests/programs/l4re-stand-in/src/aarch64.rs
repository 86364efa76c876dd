//! A load that may fail.

use core::arch::global_asm;

global_asm!(
    ".global l4re_try_read, l4re_try_read_end, l4re_try_read_failed",
    "l4re_try_read: ldr x0, [x0]",
    "l4re_try_read_end: mov x1, #1",
    "ret",
    "l4re_try_read_failed: mov x1, #0",
    "ret",
);
