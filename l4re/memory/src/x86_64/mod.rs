//! The routines. Loads and stores of x86 are ordered as they are asked to be.

use core::arch::global_asm;

global_asm!(
    ".global l4_memory_copy, l4_memory_load, l4_memory_store, l4_memory_end, l4_memory_failed",
    "l4_memory_copy: mov rcx, rdx",
    "shr rcx, 3",
    "rep movsq",
    "mov ecx, edx",
    "and ecx, 7",
    "rep movsb",
    "xor eax, eax",
    "ret",
    "l4_memory_load: movzx eax, word ptr [rdi]",
    "ret",
    "l4_memory_store: mov word ptr [rdi], si",
    "xor eax, eax",
    "ret",
    "l4_memory_end:",
    "l4_memory_failed: mov rax, -1",
    "ret",
);

unsafe extern "C" {
    #[link_name = "l4_memory_copy"]
    pub(crate) fn copy(target: *mut u8, source: *const u8, length: usize) -> u64;
    #[link_name = "l4_memory_load"]
    pub(crate) fn load(address: *const u16) -> u64;
    #[link_name = "l4_memory_store"]
    pub(crate) fn store(address: *mut u16, word: u16) -> u64;
    fn l4_memory_end();
    fn l4_memory_failed();
}

/// Caches are never off without being empty.
///
/// # Safety
/// None is needed.
pub(crate) unsafe fn clean(_start: u64, _end: u64) -> u64 {
    0
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
