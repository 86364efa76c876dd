//! Loading an address space, and forgetting translations, on this CPU (SDM
//! 4.10.4).

use core::arch::asm;

use super::instructions::{read_cr3, write_cr3};
use super::paging::Root;
use crate::per_cpu::CpuBlock;

/// What stands in CR3 with "keep the translations".
pub(super) const KEEP: u64 = 1 << 63;

/// What [`activate`] is told for `root` under `id`, which counts if the CPU
/// has ids.
pub(super) fn word(cpu: &CpuBlock, root: Root, id: u16) -> u64 {
    match cpu.arch.has_ids {
        true => root.address() | u64::from(id) | KEEP,
        false => root.address(),
    }
}

/// Makes the root of `word` the address space of user mode on this CPU, and
/// forgets the translations of its id unless they are kept. Without ids all are
/// forgotten. False, if what was to be forgotten of the space before is not.
#[inline(always)]
pub(super) fn activate(cpu: &CpuBlock, word: u64, is_kept: bool) -> bool {
    let now = if is_kept { word } else { word & !KEEP };
    if let Some(forgets_nothing) = cpu.arch.isolation.set_root(now, word) {
        return forgets_nothing;
    }
    // SAFETY: every root has the kernel's half.
    unsafe { write_cr3(now) };
    true
}

/// Forgets the translation of the page at `address` in user mode's space.
pub(super) fn page(cpu: &CpuBlock, address: u64) {
    if !cpu.arch.isolation.forget() {
        kernel_page(address);
    }
}

/// Forgets the translation of one of the kernel's pages.
pub(super) fn kernel_page(address: u64) {
    // SAFETY: forgets, and changes no value.
    unsafe { asm!("invlpg [{}]", in(reg) address, options(nostack, preserves_flags)) };
}

/// Forgets the translations of user mode's space.
pub(super) fn all(cpu: &CpuBlock) {
    if !cpu.arch.isolation.forget() {
        // SAFETY: the same root again.
        unsafe { write_cr3(read_cr3()) };
    }
}
