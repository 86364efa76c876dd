//! Virtual machines: by AMD's SVM or Intel's VMX, whichever the CPU has.

pub use super::svm::run;

use super::context::Context;
use super::entry_format::Format;
use super::irqchip::IrqChip;
use super::{paging, svm, vmx};
use crate::per_cpu::CpuBlock;
use crate::vcpu::{ExtendedArea, ExtendedPointer};

/// Instructions of a world switch that load or store the general registers which
/// neither a VMCB nor a VMCS has: from or to [`TrapRegisters`] at rdi, or at rax.
///
/// [`TrapRegisters`]: crate::vcpu::TrapRegisters
macro_rules! general_registers {
    ($way:ident) => {
        general_registers!($way "r15" 0 "r14" 1 "r13" 2 "r12" 3 "r11" 4 "r10" 5 "r9" 6 "r8" 7
            "rsi" 9 "rbp" 10 "rbx" 12 "rdx" 13 "rcx" 14 "rdi" 8)
    };
    (load $($register:literal $place:literal)*) => {
        concat!($("mov ", $register, ", [rdi + 8 * ", $place, "]\n"),*)
    };
    (store $($register:literal $place:literal)*) => {
        concat!($("mov [rax + 8 * ", $place, "], ", $register, "\n"),*)
    };
}
pub(super) use general_registers;

/// Whether the CPUs can run virtual machines.
pub fn is_supported(cpu: &CpuBlock) -> bool {
    svm::is_supported(cpu) || vmx::is_supported(cpu)
}

/// The format of page tables for virtual machines, if it is not that of tasks:
/// the kernel has no part of them.
pub fn format() -> Option<Format> {
    let format = paging::format().for_guests();
    Some(vmx::format(format).unwrap_or(format))
}

/// Tells in the state that a message waits.
#[inline]
pub fn mark_pending(cpu: &CpuBlock, area: &ExtendedArea) {
    if svm::is_supported(cpu) {
        svm::mark_pending(area);
    } else {
        vmx::mark_pending(area);
    }
}

/// The thread with `context` becomes an extended vCPU with this state, or one
/// that is not extended: the kernel keeps nothing of it, and tells nothing but
/// what VMX can do.
pub fn begin(
    cpu: &CpuBlock,
    _chip: &IrqChip,
    _context: &Context,
    extended: Option<ExtendedPointer>,
) {
    if let Some(area) = extended.filter(|_| vmx::is_supported(cpu)) {
        vmx::begin(cpu, &area);
    }
}

/// Another thread is loaded: no guest outlives a kernel entry here.
#[inline]
pub fn switch(_cpu: &CpuBlock, _chip: &IrqChip, _from: &Context, _to: &Context) {}

/// The thread with `context` leaves this CPU, or ends: likewise.
pub fn release(_cpu: &CpuBlock, _context: &Context) {}
