//! The routines.

use core::arch::global_asm;

global_asm!(
    ".global l4_memory_copy, l4_memory_load, l4_memory_store, l4_memory_clean, l4_memory_end, l4_memory_failed",
    "l4_memory_copy: cmp x2, #16",
    "b.lo 2f",
    "1: ldp x3, x4, [x1], #16",
    "stp x3, x4, [x0], #16",
    "sub x2, x2, #16",
    "cmp x2, #16",
    "b.hs 1b",
    "2: cbz x2, 3f",
    "ldrb w3, [x1], #1",
    "strb w3, [x0], #1",
    "sub x2, x2, #1",
    "b 2b",
    "3: mov x0, #0",
    "ret",
    "l4_memory_load: ldarh w0, [x0]",
    "ret",
    "l4_memory_store: stlrh w1, [x0]",
    "mov x0, #0",
    "ret",
    // The first line, and by how much lines are apart.
    "l4_memory_clean: mrs x2, ctr_el0",
    "ubfx x2, x2, #16, #4",
    "mov x3, #4",
    "lsl x2, x3, x2",
    "neg x3, x2",
    "and x0, x0, x3",
    "4: cmp x0, x1",
    "b.hs 5f",
    "dc civac, x0",
    "add x0, x0, x2",
    "b 4b",
    "5: dsb sy",
    "mov x0, #0",
    "ret",
    "l4_memory_end:",
    "l4_memory_failed: mov x0, #-1",
    "ret",
);

unsafe extern "C" {
    #[link_name = "l4_memory_copy"]
    pub(crate) fn copy(target: *mut u8, source: *const u8, length: usize) -> u64;
    #[link_name = "l4_memory_load"]
    pub(crate) fn load(address: *const u16) -> u64;
    #[link_name = "l4_memory_store"]
    pub(crate) fn store(address: *mut u16, word: u16) -> u64;
    #[link_name = "l4_memory_clean"]
    pub(crate) fn clean(start: u64, end: u64) -> u64;
    fn l4_memory_end();
    fn l4_memory_failed();
}

/// First instruction of the routines, the first one behind them, and where to continue instead.
pub(crate) fn routines() -> Option<(u64, u64, u64)> {
    let address = |routine: *const ()| routine as u64;
    Some((
        address(copy as *const ()),
        address(l4_memory_end as *const ()),
        address(l4_memory_failed as *const ()),
    ))
}
