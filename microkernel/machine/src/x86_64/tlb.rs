//! Forgetting translations, on this CPU. (Other CPUs are asked to do it for
//! themselves.)

use core::arch::asm;

use super::instructions::{read_cr3, read_cr4, write_cr3, write_cr4};
use super::paging;

/// CR4.PGE; changing it forgets everything (SDM 4.10.4.1).
const GLOBAL_PAGES: u64 = 1 << 7;

/// What `invpcid` forgets.
#[repr(u64)]
enum Invalidate {
    Address = 0,
    Context = 1,
}

/// Forgets the translation of the page at `address` in address space `id`.
pub fn flush_page(address: u64, id: u16) {
    if paging::has_ids() {
        invalidate(Invalidate::Address, address, id);
    } else {
        flush_kernel_page(address);
    }
}

/// Forgets the translations of address space `id`.
pub fn flush_all(id: u16) {
    if paging::has_ids() {
        invalidate(Invalidate::Context, 0, id);
    } else {
        // SAFETY: the same root again.
        unsafe { write_cr3(read_cr3()) };
    }
}

/// Forgets the translations of all address spaces.
pub fn flush_everything() {
    let cr4 = read_cr4();
    // SAFETY: as it was, in the end.
    unsafe {
        write_cr4(cr4 & !GLOBAL_PAGES);
        write_cr4(cr4);
    }
}

/// Forgets the translation of the page at `address` in the active space.
pub(super) fn flush_kernel_page(address: u64) {
    // SAFETY: forgets, and changes no value.
    unsafe { asm!("invlpg [{}]", in(reg) address, options(nostack, preserves_flags)) };
}

fn invalidate(what: Invalidate, address: u64, id: u16) {
    let descriptor = [u64::from(id), address];
    // SAFETY: forgets, and changes no value.
    unsafe {
        asm!("invpcid {}, [{}]", in(reg) what as u64, in(reg) &descriptor,
            options(nostack, preserves_flags, readonly));
    }
}
