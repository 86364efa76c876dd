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
//!
//! Other programs can be at EL1 too ([`Level::El1`]): VMMs, which find the
//! registers of their guest in the CPU, and any others, which find none.

mod environment;
mod gic_v3;
mod registers;
mod state;

use core::ptr;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use l4_abi::arch::aarch64::exception::pstate;
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
    let is_loaded = context.is_loaded(cpu);
    if is_loaded && context.is_privileged() {
        context.unload(chip);
    }
    release(cpu, context);
    context.extended.set(extended);
    if let Some(area) = extended.filter(|_| is_first) {
        initialise(&area, chip);
    }
    match (extended, context.level.get()) {
        // Its guest has become a program.
        (None, Level::Guest) => context.level.set(Level::El1),
        (None, _) | (_, Level::Guest) => {}
        (Some(area), level) => set_host_level(state(&area), level),
    }
    if is_loaded && context.is_privileged() {
        context.load(cpu, chip);
    }
}

fn initialise(area: &ExtendedArea, chip: &IrqChip) {
    area.set_info(u64::from(chip.version()) << 8);
    let state = state(area);
    let guest_hcr = Hcr::FORCED | Hcr::DC | Hcr::TGE;
    state.guest_hcr.store(guest_hcr.bits(), Relaxed);
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

/// The VMM stays at its level.
fn set_host_level(state: &GuestState, level: Level) {
    let mut hcr = Hcr::FORCED | Hcr::DC | Hcr::RW;
    hcr.set(Hcr::TGE, level == Level::El0);
    state.host_hcr.store(hcr.bits(), Relaxed);
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
    if from.is_privileged() {
        from.unload(chip);
    }
    if to.is_privileged() {
        to.load(cpu, chip);
    }
}

/// The thread with `context`, which is not loaded, leaves this CPU, or ends.
pub fn release(cpu: &CpuBlock, context: &Context) {
    let owner = &cpu.arch.el1_owner;
    if let Some(area) = context.extended.get()
        && is_same(owner.get(), area)
    {
        registers::save(state(&area));
        owner.set(None);
    }
}

/// Where a thread's code runs. A word, as what is beside it in a new thread.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub(super) enum Level {
    /// A program at EL0.
    El0,
    /// A program at EL1, or at EL0 below itself.
    El1,
    /// The guest of an extended vCPU, at EL1 or EL0.
    Guest,
}

impl Level {
    /// With HCR_EL2 as the user wants it, who wants `privileged` without TGE.
    fn of(hcr: &AtomicU64, privileged: Level) -> Self {
        match Hcr::from_bits_retain(hcr.load(Relaxed)).contains(Hcr::TGE) {
            true => Level::El0,
            false => privileged,
        }
    }
}

impl Context {
    /// The vCPU enters its user mode, which is a guest if it says so. The state
    /// to return to follows.
    #[inline(always)]
    pub(super) fn enter_guest(
        &self,
        cpu: &CpuBlock,
        chip: &IrqChip,
        area: &ExtendedArea,
        is_loaded: bool,
    ) {
        let level = Level::of(&state(area).guest_hcr, Level::Guest);
        self.change_level(cpu, chip, level, is_loaded);
    }

    /// The vCPU leaves its user mode.
    pub(super) fn leave_guest(
        &self,
        cpu: &CpuBlock,
        chip: &IrqChip,
        area: &ExtendedArea,
        is_loaded: bool,
    ) {
        let level = Level::of(&state(area).host_hcr, Level::El1);
        self.set_level(cpu, chip, level, is_loaded);
    }

    /// Goes on at this level. No frame at EL1 is left to a program at EL0: the
    /// CPU would go on at EL2 with it.
    #[inline(always)]
    pub(super) fn set_level(&self, cpu: &CpuBlock, chip: &IrqChip, level: Level, is_loaded: bool) {
        self.change_level(cpu, chip, level, is_loaded);
        self.frame.set_mode(match level {
            Level::El0 => pstate::EL0T,
            Level::El1 | Level::Guest => pstate::EL1T,
        });
    }

    #[inline(always)]
    fn change_level(&self, cpu: &CpuBlock, chip: &IrqChip, level: Level, is_loaded: bool) {
        if is_loaded && self.is_privileged() {
            self.unload(chip);
        }
        self.level.set(level);
        if is_loaded && self.is_privileged() {
            self.load(cpu, chip);
        }
    }

    /// Gives the CPU to it, as its level needs that, which is not EL0.
    fn load(&self, cpu: &CpuBlock, chip: &IrqChip) {
        let area = self.extended.get();
        own_registers(cpu, area);
        match area {
            Some(area) if self.level.get() == Level::Guest => {
                environment::load(state(&area), chip);
            }
            _ => environment::load_program(area.as_deref().map(state)),
        }
    }

    /// Leaves a CPU as for any program at EL0, with its own TPIDRRO_EL0.
    fn unload(&self, chip: &IrqChip) {
        self.save_tpidrro();
        match self.extended.get() {
            Some(area) if self.level.get() == Level::Guest => {
                environment::unload(state(&area), chip);
            }
            area => environment::unload_program(area.as_deref().map(state)),
        }
    }
}

/// Puts the registers of EL1 that this vCPU's guest has into the CPU. A
/// program at EL1 without a guest has none: it finds zeros at each switch.
#[inline(always)]
fn own_registers(cpu: &CpuBlock, area: Option<ExtendedPointer>) {
    if !area.is_some_and(|area| is_same(cpu.arch.el1_owner.get(), area)) {
        exchange_registers(cpu, area);
    }
}

#[inline(never)]
fn exchange_registers(cpu: &CpuBlock, area: Option<ExtendedPointer>) {
    if let Some(old) = cpu.arch.el1_owner.replace(area) {
        registers::save(state(&old));
    }
    match area {
        Some(area) => registers::load(state(&area)),
        None => return registers::clear(),
    }
    // Another vCPU of the same virtual machine may have left translations
    // by other page tables; they have the same VMID.
    barrier!("tlbi alle1");
    barrier!("dsb nsh");
}

fn is_same(owner: Option<ExtendedPointer>, area: ExtendedPointer) -> bool {
    owner.is_some_and(|owner| ptr::eq(&raw const *owner, &raw const *area))
}
