//! What a guest has that a program at EL0 must not have.

use core::sync::atomic::Ordering::Relaxed;

use l4_abi::arch::aarch64::vm::Hcr;

use super::GuestState;
use crate::arch::cpu;
use crate::arch::irqchip::IrqChip;

/// SCTLR_EL1.M: stage 1 translates.
const STAGE_1: u64 = 1 << 0;
/// CNTHCTL_EL2 for guests: EL1 and EL0 read the physical counter, and its
/// timer traps.
const CNTHCTL: u64 = 1 << 0;
/// CNTV_CTL_EL0: the interrupt is masked.
const TIMER_MASKED: u64 = 1 << 1;

/// What the CPU is for a program at EL1: stage 1 stays off, whatever the
/// program writes to its registers. A VMM finds the deadline of its guest's
/// timer, which is off.
pub(super) fn load_program(guest: Option<&GuestState>) {
    let hcr = Hcr::FORCED | Hcr::DC | Hcr::RW;
    // SAFETY: the program has less than a guest has.
    unsafe {
        write_register!("hcr_el2", hcr.bits());
        write_register!("vpidr_el2", read_register!("midr_el1"));
        write_register!("vmpidr_el2", read_register!("mpidr_el1"));
        write_register!("cnthctl_el2", CNTHCTL);
        let deadline = guest.map_or(0, |guest| guest.cntv_cval.load(Relaxed));
        write_register!("cntv_cval_el0", deadline);
    }
}

/// Takes the CPU from a program at EL1.
pub(super) fn unload_program(guest: Option<&GuestState>) {
    if let Some(guest) = guest {
        let deadline = read_register!("cntv_cval_el0");
        guest.cntv_cval.store(deadline, Relaxed);
    }
    cpu::leave_guest();
}

/// Gives it to the CPU.
pub(super) fn load(state: &GuestState, chip: &IrqChip) {
    let choice = Hcr::from_bits_retain(state.guest_hcr.load(Relaxed)) & Hcr::CHOICE;
    // Maintenance of translations reaches the CPU from which the guest came.
    let hcr = choice | Hcr::FORCED | Hcr::RW | Hcr::FB;
    // SAFETY: of HCR_EL2 the guest's user chooses what concerns the guest; the
    // other registers concern only EL1, and EL0 until `unload`.
    unsafe {
        write_register!("hcr_el2", hcr.bits());
        write_register!("sctlr_el1", state.guest_sctlr.load(Relaxed).into());
        write_register!("cpacr_el1", state.guest_cpacr.load(Relaxed).into());
        write_register!("cntkctl_el1", state.cntkctl.load(Relaxed));
        write_register!("vpidr_el2", state.vpidr.load(Relaxed).into());
        write_register!("vmpidr_el2", state.vmpidr.load(Relaxed));
        write_register!("cnthctl_el2", CNTHCTL);
        write_register!("cntvoff_el2", state.cntvoff.load(Relaxed));
        write_register!("cntv_cval_el0", state.cntv_cval.load(Relaxed));
        write_register!("cntv_ctl_el0", state.guest_cntv_ctl.load(Relaxed).into());
    }
    chip.load_guest(state);
}

/// Takes it from the CPU, which is as for any program at EL0 then.
pub(super) fn unload(state: &GuestState, chip: &IrqChip) {
    macro_rules! save {
        ($($field:ident: $register:literal;)*) => {
            $(state.$field.store(read_register!($register) as _, Relaxed);)*
        };
    }
    save! {
        guest_sctlr: "sctlr_el1";
        guest_cpacr: "cpacr_el1";
        cntkctl: "cntkctl_el1";
        cntv_cval: "cntv_cval_el0";
        guest_cntv_ctl: "cntv_ctl_el0";
    }
    chip.unload_guest(state);
    cpu::leave_guest();
}

/// Lets the guest's timer interrupt no more, until the guest or its VMM allows
/// it again. False, and nothing is done, if it does not interrupt: what came was
/// on its way when the guest moved its deadline, or another was loaded.
pub(in super::super) fn mask_timer() -> bool {
    let control = read_register!("cntv_ctl_el0");
    if !is_due(control) {
        return false;
    }
    // SAFETY: raises no interrupt.
    unsafe { write_register!("cntv_ctl_el0", control | TIMER_MASKED) };
    barrier!("isb");
    true
}

/// Whether a timer with this CNTV_CTL_EL0 interrupts.
fn is_due(control: u64) -> bool {
    const ENABLED: u64 = 1 << 0;
    const CONDITION_MET: u64 = 1 << 2;
    control & (ENABLED | TIMER_MASKED | CONDITION_MET) == ENABLED | CONDITION_MET
}

/// The intermediate physical address of an abort of the guest that is loaded,
/// whose FAR_EL2 this is; all ones if it cannot be told.
pub(in super::super) fn fault_address(syndrome: u64, virtual_address: u64) -> u64 {
    /// FAR is not valid.
    const NO_ADDRESS: u64 = 1 << 10;
    /// A stage 2 fault of a walk of stage 1.
    const STAGE_1_WALK: u64 = 1 << 7;
    const STATUS_TYPE: u64 = 0x3c;
    const STATUS_PERMISSION: u64 = 0x0c;
    /// PAR_EL1: the translation failed.
    const FAILED: u64 = 1 << 0;
    const PAGE: u64 = 0x000f_ffff_ffff_f000;
    const OFFSET: u64 = 0xfff;

    if syndrome & NO_ADDRESS != 0 {
        return u64::MAX;
    }
    if read_register!("sctlr_el1") & STAGE_1 == 0 {
        return virtual_address;
    }
    let offset = virtual_address & OFFSET;
    if syndrome & STAGE_1_WALK != 0 || syndrome & STATUS_TYPE < STATUS_PERMISSION {
        return (read_register!("hpfar_el2") & !0xf) << 8 | offset;
    }
    let saved = read_register!("par_el1");
    // SAFETY: changes PAR_EL1 only, which is put back.
    unsafe {
        core::arch::asm!("at s1e1r, {}", in(reg) virtual_address,
            options(nostack, preserves_flags));
    }
    barrier!("isb");
    let found = read_register!("par_el1");
    // SAFETY: as it was.
    unsafe { write_register!("par_el1", saved) };
    if found & FAILED == 0 {
        found & PAGE | offset
    } else {
        u64::MAX
    }
}
