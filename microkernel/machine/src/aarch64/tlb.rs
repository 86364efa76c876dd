//! Forgetting translations of user mode, on all CPUs at once.
//!
//! The instructions work on the current VMID, so another one is made current
//! for a moment, with a root table without entries: nothing can be cached
//! from that. Afterwards the page tables' memory may be reused.

use super::paging::Root;

/// Forgets the translation of the page at `address` in address space `id`.
pub fn flush_page(address: u64, id: u16) {
    with_id(id, || {
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

/// Forgets the translations of address space `id`.
pub fn flush_all(id: u16) {
    with_id(id, || barrier!("tlbi vmalls12e1is"));
}

/// Forgets the translations of all address spaces.
pub fn flush_everything() {
    barrier!("dsb ishst");
    barrier!("tlbi alle1is");
    finish();
}

fn with_id(id: u16, flush: impl FnOnce()) {
    let current = read_register!("vttbr_el2");
    let is_current = current >> 48 == u64::from(id);
    // Changes of the tables come before.
    barrier!("dsb ishst");
    if !is_current {
        // SAFETY: user mode does not run meanwhile.
        unsafe { write_register!("vttbr_el2", u64::from(id) << 48 | Root::kernel().0) };
        barrier!("isb");
    }
    flush();
    finish();
    if !is_current {
        // SAFETY: as it was.
        unsafe { write_register!("vttbr_el2", current) };
        barrier!("isb");
    }
}

fn finish() {
    barrier!("dsb ish");
    barrier!("isb");
}
