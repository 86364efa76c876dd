//! The way in: the Linux `Image` header (Documentation/arch/arm64/booting), and what must be done
//! before Rust code runs.
//!
//! Firmware enters at the first byte with the device tree's address in x0, MMU off, wherever it put
//! the image.

use core::arch::global_asm;

global_asm!(
    ".section .head, \"ax\"",
    "image_header:",
    "b entry",
    "nop",
    // Text offset; image size, which the build tool fills in; flags: little endian, 4 KiB pages,
    // anywhere in memory.
    ".quad 0, 0, 0xa, 0, 0, 0",
    ".ascii \"ARM\\x64\"",
    ".long 0",
    "entry:",
    "msr daifset, #0xf",
    "adrp x9, stack_top",
    "add sp, x9, :lo12:stack_top",
    // Add where we are to the addresses in our data: entries of offset, type (only
    // R_AARCH64_RELATIVE), addend.
    "adrp x9, image_header",
    "adrp x10, __relocations_start",
    "add x10, x10, :lo12:__relocations_start",
    "adrp x11, __relocations_end",
    "add x11, x11, :lo12:__relocations_end",
    "2: cmp x10, x11",
    "b.hs 3f",
    "ldp x12, x13, [x10], #16",
    "ldr x13, [x10], #8",
    "add x13, x13, x9",
    "str x13, [x12, x9]",
    "b 2b",
    "3: mov x1, x0",
    "mov x29, #0",
    "mov x30, #0",
    "b {start}",
    ".section .bss.entry, \"aw\", @nobits",
    ".balign 16",
    ".skip {stack_size}",
    "stack_top:",
    ".text",
    start = sym crate::machine::start,
    stack_size = const crate::machine::STACK_SIZE,
);
