//! Loading an address space, and forgetting translations, on this CPU (SDM
//! 4.10.4).

use core::arch::asm;

use super::instructions::{read_cr3, write_cr3};
use super::paging::Root;
use crate::per_cpu::CpuBlock;

/// CR3 bit: keep the translations of the id that is loaded.
const KEEP: u64 = 1 << 63;

/// Makes `root` the address space of user mode on this CPU, and forgets the
/// translations of `id` unless they are kept. Without ids all are forgotten.
#[inline]
pub(super) fn activate(cpu: &CpuBlock, root: Root, id: u16, is_kept: bool) {
    let id_and_keep = if !cpu.arch.has_ids.get() {
        0
    } else if is_kept {
        u64::from(id) | KEEP
    } else {
        u64::from(id)
    };
    // SAFETY: every root has the kernel's half.
    unsafe { write_cr3(root.address() | id_and_keep) };
}

/// Forgets the translation of the page at `address` in the active space.
pub(super) fn page(address: u64) {
    // SAFETY: forgets, and changes no value.
    unsafe { asm!("invlpg [{}]", in(reg) address, options(nostack, preserves_flags)) };
}

/// Forgets the translations of the active space.
pub(super) fn all() {
    // SAFETY: the same root again.
    unsafe { write_cr3(read_cr3()) };
}
