//! Translations of user mode: which space a CPU has loaded, and forgetting
//! them on all CPUs at once, which one instruction does.
//!
//! That instruction works on the current VMID, so another one is made current
//! for a moment, with a root table without entries: nothing can be cached
//! from that. Afterwards the page tables' memory may be reused.

use super::paging::{self, Root};
use super::platform::Platform;
use super::vmid::{Vmids, number};
use crate::per_cpu::CpuBlock;
use crate::sync::{AtomicU64, Ordering};

/// What all CPUs share.
pub struct Tlbs {
    vmids: Vmids,
}

/// What there is for each space.
pub struct Residence {
    /// The space's VMID, as [`Vmids`] notes it.
    tag: AtomicU64,
}

/// What a CPU knows of its translations: nothing.
#[derive(Default)]
pub struct Tlb {}

impl Tlb {
    /// A CPU without translations.
    pub const fn new() -> Self {
        Self {}
    }
}

impl Residence {
    /// A space that no CPU has loaded.
    pub const fn new() -> Self {
        Self {
            tag: AtomicU64::new(0),
        }
    }
}

impl Default for Residence {
    fn default() -> Self {
        Self::new()
    }
}

impl Tlbs {
    /// No space has a VMID.
    pub fn new() -> Self {
        Self {
            vmids: Vmids::new(paging::vmids()),
        }
    }

    /// Lets user mode on this CPU have the space with root table `root`.
    #[inline]
    pub fn load(&self, cpu: &CpuBlock, _tlb: &Tlb, space: &Residence, root: Root) {
        let (vmid, is_new) = self.vmids.load(cpu.id(), &space.tag, forget_everything);
        if is_new {
            // Who takes a page away knows the VMID, or this CPU sees that the
            // page is gone.
            barrier!("dsb ish");
        }
        activate(root, vmid);
    }

    /// Lets user mode on this CPU have nothing; `space` was loaded.
    pub fn unload(&self, _cpu: &CpuBlock, _tlb: &Tlb, _space: &Residence) {
        activate(Root::kernel(), 0);
    }

    /// This CPU keeps something of the space besides translations: there is
    /// nothing else here.
    pub fn keep(&self, _cpu: &CpuBlock, _space: &Residence) {}

    /// The page at `address` of `space` was taken away or changed, or more
    /// than that page, if `is_single` is false. It is out of use at once.
    pub fn forget(
        &self,
        _cpu: &CpuBlock,
        _tlb: &Tlb,
        space: &Residence,
        address: u64,
        is_single: bool,
    ) {
        // The change of the table comes before, and before the look at the
        // VMID.
        barrier!("dsb ish");
        match number(space.tag.load(Ordering::Relaxed)) {
            0 => {}
            vmid if is_single => forget_page(address, vmid),
            vmid => forget_space(vmid),
        }
    }

    /// Waits until all that was forgotten is out of use on all CPUs: it is.
    #[inline]
    pub fn wait(
        &self,
        _platform: &Platform,
        _cpu: &CpuBlock,
        _tlb: &Tlb,
        _loaded: Option<&Residence>,
    ) {
    }

    /// Does what other CPUs requested of this one: they need not.
    pub fn serve(&self, _cpu: &CpuBlock, _tlb: &Tlb, _loaded: Option<&Residence>) {}
}

impl Default for Tlbs {
    fn default() -> Self {
        Self::new()
    }
}

/// Makes `root` the address space of user mode on this CPU. Returning to
/// user mode makes it count.
#[inline]
fn activate(root: Root, vmid: u16) {
    // SAFETY: the register is used for user mode only.
    unsafe { write_register!("vttbr_el2", u64::from(vmid) << 48 | root.0) };
}

/// Forgets the translations of all address spaces, on all CPUs.
pub(super) fn forget_everything() {
    barrier!("dsb ishst");
    barrier!("tlbi alle1is");
    finish();
}

fn forget_page(address: u64, vmid: u16) {
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

fn forget_space(vmid: u16) {
    with_vmid(vmid, || barrier!("tlbi vmalls12e1is"));
}

fn with_vmid(vmid: u16, forget: impl FnOnce()) {
    let current = read_register!("vttbr_el2");
    let is_current = current >> 48 == u64::from(vmid);
    if !is_current {
        // SAFETY: user mode does not run meanwhile.
        unsafe { write_register!("vttbr_el2", u64::from(vmid) << 48 | Root::kernel().0) };
        barrier!("isb");
    }
    forget();
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
