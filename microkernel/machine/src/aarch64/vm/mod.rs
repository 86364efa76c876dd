//! Guests at EL1 (abi/06 §5.3).
//!
//! A virtual machine is an ordinary task, and its guest is the user mode of a
//! vCPU, with `HCR_EL2.TGE` off: it has EL1 and a stage 1 of its own, behind
//! the task's stage 2. What a guest needs of the CPU is in two parts:
//!
//! * the *environment* ([`environment`]): what also matters to programs at
//!   EL0, and what interrupts. It is in the CPU while the guest's thread is
//!   loaded and in its guest, and at no other time;
//! * the *registers* of EL1 ([`registers`]): they mean nothing at EL0, so
//!   they stay in the CPU until another guest comes, as the FPU's do.
//!
//! Both lie in the vCPU's extended state meanwhile, where user mode reads and
//! writes them. So no value of them may harm more than the guest: what could
//! is masked in [`environment`] and in the interrupt chip's part.

mod environment;
pub(super) mod gic_v2;
pub(super) mod gic_v3;
mod registers;
mod state;

use core::ptr;
use core::sync::atomic::Ordering::Relaxed;

use l4_abi::arch::aarch64::vm::{Hcr, SCTLR_GENERIC, VMPIDR_INITIAL};

use super::context::Context;
use super::entry_format::Format;
use super::irqchip::IrqChip;
use crate::guest::{Exit, Guest};
use crate::per_cpu::CpuBlock;
use crate::vcpu::{ExtendedArea, ExtendedPointer};
use state::state;

pub(super) use environment::{fault_address, mask_timer};
pub(super) use state::GuestState;

/// Whether the CPUs can run virtual machines.
pub fn is_supported(_cpu: &CpuBlock) -> bool {
    true
}

/// The format of page tables for virtual machines, if it is not that of tasks.
pub fn format() -> Option<Format> {
    None
}

/// The thread with `context` becomes an extended vCPU with this state, or one
/// that is not extended.
pub fn begin(cpu: &CpuBlock, chip: &IrqChip, context: &Context, extended: Option<ExtendedPointer>) {
    let is_first = context.extended.get().is_none();
    release(cpu, chip, context, false);
    context.extended.set(extended);
    if let Some(area) = extended.filter(|_| is_first) {
        initialise(&area, chip);
    }
}

fn initialise(area: &ExtendedArea, chip: &IrqChip) {
    area.set_info(u64::from(chip.version()) << 8);
    let state = state(area);
    let forced = Hcr::FORCED | Hcr::DC;
    let guest_hcr = forced | Hcr::TGE;
    state.guest_hcr.store(guest_hcr.bits(), Relaxed);
    state.host_hcr.store((guest_hcr | Hcr::RW).bits(), Relaxed);
    state.guest_sctlr.store(0, Relaxed);
    state.sctlr.store(SCTLR_GENERIC, Relaxed);
    for register in [&state.actlr, &state.amair, &state.cntvoff] {
        register.store(0, Relaxed);
    }
    state.vmpidr.store(VMPIDR_INITIAL, Relaxed);
    let midr = read_register!("midr_el1");
    state.vpidr.store(midr as u32, Relaxed);
    chip.initialise_guest(state);
}

/// Runs the guest: virtual machines are ordinary tasks here.
pub fn run(_cpu: &CpuBlock, _area: &ExtendedArea, _guest: &Guest<'_>) -> Exit {
    Exit::Invalid
}

/// Tells in the state that a message waits.
pub fn mark_pending(_cpu: &CpuBlock, _area: &ExtendedArea) {}

/// Another thread is loaded; before [`switch`](super::context::switch).
#[inline]
pub fn switch(cpu: &CpuBlock, chip: &IrqChip, from: &Context, to: &Context) {
    if let Some(area) = from.guest.get() {
        from.save_tpidrro();
        environment::unload(state(&area), chip);
    }
    if let Some(area) = to.guest.get() {
        load(cpu, chip, area);
    }
}

/// The thread with `context` leaves this CPU, or ends.
pub fn release(cpu: &CpuBlock, chip: &IrqChip, context: &Context, is_loaded: bool) {
    let guest = context.guest.get();
    if let Some(area) = guest.filter(|_| is_loaded) {
        environment::unload(state(&area), chip);
    }
    let owner = cpu.arch.el1_owner.get();
    for area in [guest, context.extended.get()].into_iter().flatten() {
        if is_same(owner, area) {
            registers::save(state(&area));
            cpu.arch.el1_owner.set(None);
        }
    }
}

impl Context {
    /// Whether the vCPU's user mode is a guest at EL1.
    #[inline]
    pub(super) fn is_in_guest(&self) -> bool {
        self.guest.get().is_some()
    }

    /// The vCPU enters its user mode, which is a guest if it says so.
    pub(super) fn enter_guest(
        &self,
        cpu: &CpuBlock,
        chip: &IrqChip,
        area: ExtendedPointer,
        is_loaded: bool,
    ) {
        let hcr = Hcr::from_bits_retain(state(&area).guest_hcr.load(Relaxed));
        if hcr.contains(Hcr::TGE) {
            return;
        }
        self.guest.set(Some(area));
        if is_loaded {
            load(cpu, chip, area);
        }
    }

    /// The vCPU leaves its guest.
    pub(super) fn leave_guest(&self, chip: &IrqChip, area: ExtendedPointer, is_loaded: bool) {
        self.guest.set(None);
        if is_loaded {
            environment::unload(state(&area), chip);
        }
    }
}

/// Gives the CPU to the guest with this state.
fn load(cpu: &CpuBlock, chip: &IrqChip, area: ExtendedPointer) {
    let owner = &cpu.arch.el1_owner;
    if !is_same(owner.get(), area) {
        if let Some(old) = owner.replace(Some(area)) {
            registers::save(state(&old));
        }
        registers::load(state(&area));
        // Another vCPU of the same virtual machine may have left translations
        // by other page tables; they have the same VMID.
        barrier!("tlbi alle1");
        barrier!("dsb nsh");
    }
    environment::load(state(&area), chip);
}

fn is_same(owner: Option<ExtendedPointer>, area: ExtendedPointer) -> bool {
    owner.is_some_and(|owner| ptr::eq(&raw const *owner, &raw const *area))
}
