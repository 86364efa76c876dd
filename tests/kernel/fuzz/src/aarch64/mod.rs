//! Instructions that fault, and guests of virtual machines.

use core::arch::asm;
use core::mem::offset_of;

use fuzz::layout::MEMORY;
use l4_test::abi::arch::aarch64::exception::{ExceptionFrame, pstate};
use l4_test::abi::arch::aarch64::vm::{ExtendedState, Hcr};
use l4_test::abi::vcpu::VcpuState;
use l4_test::memory::store;

use crate::attacker::guest_word;

/// Of so many guests one runs.
pub(crate) const GUESTS: u64 = 1;

/// What stays as [`prepare_guest`] has it: QEMU's emulator (7.2) does not survive a guest's timer whose deadline and
/// offset add up to more than a word has.
pub(crate) const FIXED_WORDS: [usize; 1] = [offset_of!(ExtendedState, cntvoff) / 8];

/// EL1 without stage 1, in a machine whose memory is where the attackers have theirs.
pub(crate) fn prepare_guest(state: u64) {
    /// What is always 1.
    const SCTLR: u64 = 0x30d0_0800;
    /// The guest may use the FPU.
    const CPACR: u64 = 3 << 20;
    let set = |offset, value| store(guest_word(state, offset / 8), value);
    set(offset_of!(ExtendedState, host_hcr), Hcr::TGE.bits());
    set(
        offset_of!(ExtendedState, guest_hcr),
        (Hcr::RW | Hcr::TWI).bits(),
    );
    set(offset_of!(ExtendedState, guest_sctlr), SCTLR | CPACR << 32);
    set(offset_of!(ExtendedState, cntvoff), 0);
    let register = |offset: usize, value| {
        let registers = offset_of!(VcpuState, registers);
        store(state + (registers + offset) as u64, value);
    };
    register(offset_of!(ExceptionFrame, pc), MEMORY);
    register(offset_of!(ExceptionFrame, pstate), pstate::EL1H | 0xf << 6);
}

/// Uses the FPU.
pub(crate) fn use_fpu() {
    // SAFETY: the program has no other use for the register.
    unsafe {
        asm!(
            ".arch_extension fp",
            "fmov d0, x0",
            options(nomem, nostack, preserves_flags)
        );
    }
}

/// Executes what the CPU does not know.
pub(crate) fn undefined_instruction() {
    // SAFETY: it is an exception, after which the thread starts afresh.
    unsafe { asm!("udf #0", options(nomem, nostack)) }
}
