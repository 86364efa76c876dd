//! Loading an address space, and forgetting translations, on this CPU (SDM
//! 4.10.4).

use core::arch::asm;

use super::cpu::Spaces;
use super::instructions::{read_cr3, write_cr3};
use super::isolation::KEEP;
use super::paging::Root;
use crate::per_cpu::CpuBlock;

/// Makes `root` the address space of user mode on this CPU, and forgets the
/// translations of `id` unless they are kept. Without ids all are forgotten.
#[inline]
pub(super) fn activate(cpu: &CpuBlock, root: Root, id: u16, is_kept: bool) {
    let (spaces, root) = (cpu.arch.spaces, root.address());
    let keep = if is_kept { KEEP } else { 0 };
    let value = match spaces {
        Spaces::Plain => root,
        Spaces::WithIds => root | u64::from(id) | keep,
        _ => return activate_isolated(cpu, root, u64::from(id), keep),
    };
    // SAFETY: every root has the kernel's half.
    unsafe { write_cr3(value) };
}

#[cold]
fn activate_isolated(cpu: &CpuBlock, root: u64, id: u64, keep: u64) {
    if cpu.arch.spaces == Spaces::IsolatedWithIds {
        cpu.arch
            .isolation
            .set_root(root | id | keep, root | id | KEEP);
    } else {
        cpu.arch.isolation.set_root(root, root);
    }
}

/// Forgets the translation of the page at `address` in user mode's space.
pub(super) fn page(cpu: &CpuBlock, address: u64) {
    if cpu.arch.spaces >= Spaces::Isolated {
        cpu.arch.isolation.forget();
    } else {
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
    if cpu.arch.spaces >= Spaces::Isolated {
        cpu.arch.isolation.forget();
    } else {
        // SAFETY: the same root again.
        unsafe { write_cr3(read_cr3()) };
    }
}
