//! A CPU's registers at EL2, and those of EL1 that user mode notices
//! (abi/01, abi/06 §5.3).

use core::cell::Cell;

use l4_abi::arch::aarch64::vm::{Hcr, SCTLR_GENERIC};

use super::paging::{self, Root};
use super::syscall;
use crate::per_cpu::CpuBlock;
use crate::vcpu::ExtendedPointer;

/// What this architecture keeps for each CPU.
#[repr(C)]
pub struct CpuState {
    /// Whether user mode can use the FPU.
    pub(super) fpu_enabled: Cell<bool>,
    /// The vCPU whose guest's EL1 registers are in the CPU.
    pub(super) el1_owner: Cell<Option<ExtendedPointer>>,
}

impl CpuState {
    /// A CPU that has not started.
    pub const fn new() -> Self {
        Self {
            fpu_enabled: Cell::new(false),
            el1_owner: Cell::new(None),
        }
    }
}

/// HCR_EL2 (D19.2.48) for programs at EL0: all their exceptions come to EL2.
const HCR_EL2: u64 = Hcr::FORCED
    .union(Hcr::DC)
    .union(Hcr::TGE)
    .union(Hcr::RW)
    .bits();

/// SCTLR_EL1 for user mode: C, I, CP15BEN, DZE, UCT, UCI, and what is RES1.
/// `wfi`, `wfe` and DAIF accesses of EL0 trap.
const SCTLR_EL1: u64 = SCTLR_GENERIC as u64;
/// CNTKCTL_EL1: EL0 reads both counters, and nothing else of the timers.
const CNTKCTL_EL1: u64 = 0b11;
/// CNTHCTL_EL2: EL1 and EL0 read the physical counter (EL1PCTEN). EL1 may use
/// its physical timer (EL1PCEN), because QEMU up to version 8 asks that bit
/// for the counter; EL0 may not, by CNTKCTL_EL1.
const CNTHCTL_EL2: u64 = 1 << 1 | 1 << 0;
/// CPACR_EL1: no FPU trap, trace registers trap.
const CPACR_EL1: u64 = 3 << 20 | 1 << 28;
/// MDSCR_EL1: the debug channel traps (TDCC); no breakpoints or stepping.
const MDSCR_EL1: u64 = 1 << 12;
/// MDCR_EL2: debug exceptions and accesses, and the performance monitors
/// (TPM, TPMCR), profiling (TPMS) and tracing (TTRF) come to EL2. The lowest
/// bits are the number of counters.
const MDCR_EL2: u64 = 1 << 19 | 1 << 14 | 1 << 11 | 1 << 10 | 1 << 9 | 1 << 8 | 1 << 6 | 1 << 5;

/// ID_AA64DFR0_EL1.PMUVer: no performance monitors that we know.
const NO_MONITORS: [u64; 2] = [0, 0xf];

/// Whether the CPU has fine-grained traps (ID_AA64MMFR0_EL1.FGT), and the
/// extended hypervisor configuration register (ID_AA64MMFR1_EL1.HCX).
fn has_fine_grained_traps() -> bool {
    read_register!("id_aa64mmfr0_el1") >> 56 & 0xf != 0
}

fn has_extended_configuration() -> bool {
    read_register!("id_aa64mmfr1_el1") >> 40 & 0xf != 0
}

/// Sets all registers of this CPU that never change afterwards. The MMU is
/// on.
pub(super) fn initialise() {
    leave_guest();
    let has_monitors = !NO_MONITORS.contains(&(read_register!("id_aa64dfr0_el1") >> 8 & 0xf));
    let counters = if has_monitors {
        read_register!("pmcr_el0") >> 11 & 0x1f
    } else {
        0
    };
    // SAFETY: user mode and EL1 are not in use yet; the registers of EL2
    // among these say where exceptions go, which is to the kernel's vectors.
    unsafe {
        write_register!("vbar_el2", &raw const syscall::VECTORS as u64);
        write_register!("vtcr_el2", paging::control());
        write_register!("vttbr_el2", Root::kernel().0);
        write_register!("mdcr_el2", MDCR_EL2 | counters);
        write_register!("hstr_el2", 0);
        write_register!("vpidr_el2", read_register!("midr_el1"));
        write_register!("vmpidr_el2", read_register!("mpidr_el1"));

        write_register!("mdscr_el1", MDSCR_EL1);
        write_register!("cntp_ctl_el0", 0);
        write_register!("contextidr_el1", 0);
        write_register!("tpidr_el0", 0);
        write_register!("tpidrro_el0", 0);
        if has_monitors {
            write_register!("pmuserenr_el0", 0);
        }
        // Newer registers with more traps, whose reset values are unknown.
        if has_fine_grained_traps() {
            write_register!("S3_4_C1_C1_4", 0); // HFGRTR_EL2
            write_register!("S3_4_C1_C1_5", 0); // HFGWTR_EL2
            write_register!("S3_4_C1_C1_6", 0); // HFGITR_EL2
            write_register!("S3_4_C3_C1_4", 0); // HDFGRTR_EL2
            write_register!("S3_4_C3_C1_5", 0); // HDFGWTR_EL2
        }
        if has_extended_configuration() {
            write_register!("S3_4_C1_C2_2", 0); // HCRX_EL2
        }
    }
    super::fpu::initialise_cpu();
    barrier!("isb");
    super::invalidate::forget_everything();
}

/// What programs at EL0 have that guests choose for themselves.
pub(super) fn leave_guest() {
    // SAFETY: as in `initialise`.
    unsafe {
        write_register!("hcr_el2", HCR_EL2);
        write_register!("sctlr_el1", SCTLR_EL1);
        write_register!("cpacr_el1", CPACR_EL1);
        write_register!("cntkctl_el1", CNTKCTL_EL1);
        write_register!("cnthctl_el2", CNTHCTL_EL2);
        write_register!("cntvoff_el2", 0);
        write_register!("cntv_ctl_el0", 0);
    }
}

/// Makes `block` what entry code on this CPU finds.
pub(super) fn attach(block: &CpuBlock) {
    // SAFETY: the block stays for ever, which `Boot` demands.
    unsafe { write_register!("tpidr_el2", core::ptr::from_ref(block) as u64) };
}

/// Waits a moment in a loop that waits for another CPU. What `spin_loop` does,
/// ISB, does not tell an emulator that runs CPUs in turns whose turn it is.
#[inline]
pub fn relax() {
    barrier!("yield");
}
