//! Loading an address space on this CPU, and forgetting translations on all of
//! them.
//!
//! The instruction that forgets works on the current VMID, so another one is
//! made current for a moment, with a root table without entries: nothing can be
//! cached from that. Afterwards the page tables' memory may be reused.

use super::paging::Root;
use super::tlb::{VMID_SHIFT, vmid};

/// Makes the root of `word` the address space of user mode on this CPU.
/// Returning to user mode makes it count.
#[inline]
pub(super) fn activate(word: u64) {
    // SAFETY: the register is used for user mode only.
    unsafe { write_register!("vttbr_el2", word) };
}

/// Forgets the translations of all address spaces, on all CPUs.
pub(super) fn forget_everything() {
    barrier!("dsb ishst");
    barrier!("tlbi alle1is");
    finish();
}

/// Forgets a page of the spaces with this VMID.
pub(super) fn forget_page(address: u64, vmid: usize) {
    with_vmid(vmid, || {
        // Combined entries go by virtual address, so all of these go.
        // SAFETY: forgets, and changes no value.
        unsafe {
            core::arch::asm!("tlbi ipas2e1is, {}", in(reg) address >> 12 & 0xf_ffff_ffff,
                options(nostack, preserves_flags));
        }
        barrier!("dsb ish");
        barrier!("tlbi vmalle1is");
    });
}

/// Forgets all pages of the spaces with this VMID.
pub(super) fn forget_space(vmid: usize) {
    with_vmid(vmid, || barrier!("tlbi vmalls12e1is"));
}

fn with_vmid(id: usize, forget: impl FnOnce()) {
    let current = read_register!("vttbr_el2");
    let is_current = vmid(current) == id;
    if !is_current {
        activate((id as u64) << VMID_SHIFT | Root::kernel().0);
        barrier!("isb");
    }
    forget();
    finish();
    if !is_current {
        activate(current);
        barrier!("isb");
    }
}

fn finish() {
    barrier!("dsb ish");
    barrier!("isb");
}
