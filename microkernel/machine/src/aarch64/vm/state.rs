//! The extended state of a vCPU, as the kernel sees it: shared with user mode.

use core::mem::offset_of;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use l4_abi::arch::aarch64::vcpu::EXTENDED_STATE_OFFSET;
use l4_abi::arch::aarch64::vm::{ExtendedState, LIST_REGISTERS};

use crate::vcpu::ExtendedArea;

/// [`ExtendedState`] with atomic fields.
#[repr(C)]
pub(in super::super) struct GuestState {
    pub(super) host_hcr: AtomicU64,
    pub(super) guest_hcr: AtomicU64,
    pub(super) guest_sctlr: AtomicU32,
    pub(super) guest_cpacr: AtomicU32,
    pub(super) guest_cntv_ctl: AtomicU32,
    reserved_1c: AtomicU32,
    pub(super) cntvoff: AtomicU64,
    pub(super) vmpidr: AtomicU64,
    pub(super) vpidr: AtomicU32,
    virtual_timer: AtomicU32,
    vtcr: AtomicU64,
    pub(in super::super) gic_hcr: AtomicU32,
    pub(in super::super) gic_vtr: AtomicU32,
    pub(in super::super) gic_vmcr: AtomicU32,
    pub(in super::super) gic_misr: AtomicU32,
    pub(in super::super) gic_eisr: AtomicU32,
    pub(in super::super) gic_elrsr: AtomicU32,
    pub(in super::super) gic_list_registers: [AtomicU64; LIST_REGISTERS],
    pub(in super::super) gic_active_priorities: [AtomicU32; 8],
    gic_injected: AtomicU32,
    reserved_9c: AtomicU32,
    pub(super) actlr: AtomicU64,
    pub(super) tcr: AtomicU64,
    pub(super) ttbr0: AtomicU64,
    pub(super) ttbr1: AtomicU64,
    pub(super) sctlr: AtomicU32,
    pub(super) esr: AtomicU32,
    pub(super) mair: AtomicU64,
    pub(super) amair: AtomicU64,
    pub(super) sp: AtomicU64,
    pub(super) elr: AtomicU64,
    pub(super) far: AtomicU64,
    pub(super) afsr0: AtomicU32,
    pub(super) afsr1: AtomicU32,
    dacr32: AtomicU32,
    fpexc32: AtomicU32,
    ifsr32: AtomicU32,
    reserved_104: AtomicU32,
    pub(super) vbar: AtomicU64,
    pub(super) spsr: AtomicU64,
    pub(super) tpidr: AtomicU64,
    pub(super) contextidr: AtomicU64,
    pub(super) csselr: AtomicU64,
    pub(super) par: AtomicU64,
    pub(super) cntkctl: AtomicU64,
    pub(super) cntv_cval: AtomicU64,
}

const _: () = {
    assert!(size_of::<GuestState>() == size_of::<ExtendedState>());
    assert!(align_of::<GuestState>() == align_of::<ExtendedArea>());
    assert!(offset_of!(GuestState, vpidr) == offset_of!(ExtendedState, vpidr));
    assert!(offset_of!(GuestState, gic_hcr) == offset_of!(ExtendedState, gic_hcr));
    assert!(offset_of!(GuestState, actlr) == offset_of!(ExtendedState, actlr));
    assert!(offset_of!(GuestState, mair) == offset_of!(ExtendedState, mair));
    assert!(offset_of!(GuestState, vbar) == offset_of!(ExtendedState, vbar));
    assert!(offset_of!(GuestState, cntv_cval) == offset_of!(ExtendedState, cntv_cval));
};

impl GuestState {
    /// No interrupt is shown to the guest, or was.
    pub(in super::super) fn clear_interrupts(&self) {
        for list in &self.gic_list_registers {
            list.store(0, Relaxed);
        }
        let words = [&self.gic_hcr, &self.gic_injected];
        for word in self.gic_active_priorities.iter().chain(words) {
            word.store(0, Relaxed);
        }
    }
}

/// The part of an extended vCPU's state that belongs to its guest.
#[inline]
pub(super) fn state(area: &ExtendedArea) -> &GuestState {
    let words = area.words::<EXTENDED_STATE_OFFSET>();
    debug_assert!(size_of_val(words) >= size_of::<GuestState>());
    // SAFETY: there is room, the words are aligned, and all of it is atomics,
    // of which every bit pattern is a value. Words are never used as such.
    unsafe { &*words.as_ptr().cast() }
}
