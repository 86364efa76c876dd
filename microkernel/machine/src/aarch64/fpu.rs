//! The FPU: FP/SIMD registers, given to threads on their first use.
//!
//! SVE is off: user mode gets an exception for its instructions.

use core::arch::naked_asm;
use core::ptr::NonNull;

use crate::per_cpu::CpuBlock;

/// CPTR_EL2 (D19.2.34): RES1 bits, which are the SVE and SME traps where
/// these exist, and the traps of activity monitors and trace.
const CONTROL: u64 = 0x33ff | 1 << 30 | 1 << 20;
/// FP/SIMD instructions trap.
const CONTROL_TRAP: u64 = 1 << 10;

/// q0 to q31, FPCR at 512, FPSR at 520.
const AREA_SIZE: usize = 528;

/// The bytes that one thread's FPU state takes.
#[inline]
pub fn area_size() -> usize {
    AREA_SIZE
}

/// Writes the state of a fresh thread: all zero.
///
/// # Safety
/// `area` points to [`area_size`] writable bytes, 64-byte aligned.
pub unsafe fn initialise(area: NonNull<u8>) {
    // SAFETY: the caller's promise.
    unsafe { area.write_bytes(0, area_size()) }
}

/// Saves the FPU's registers. The FPU is enabled.
///
/// # Safety
/// As for [`initialise`].
#[inline]
pub unsafe fn save(area: NonNull<u8>) {
    // SAFETY: the area has room; compiled code uses no FP registers.
    unsafe { save_registers(area.as_ptr()) }
}

/// Loads the FPU's registers. The FPU is enabled.
///
/// # Safety
/// As for [`initialise`], with a state in it.
#[inline]
pub unsafe fn restore(area: NonNull<u8>) {
    // SAFETY: the area holds a state; compiled code uses no FP registers.
    unsafe { load_registers(area.as_ptr()) }
}

#[unsafe(naked)]
unsafe extern "C" fn save_registers(area: *mut u8) {
    naked_asm!(
        ".arch_extension fp",
        ".arch_extension simd",
        "stp q0, q1, [x0, #0]",
        "stp q2, q3, [x0, #32]",
        "stp q4, q5, [x0, #64]",
        "stp q6, q7, [x0, #96]",
        "stp q8, q9, [x0, #128]",
        "stp q10, q11, [x0, #160]",
        "stp q12, q13, [x0, #192]",
        "stp q14, q15, [x0, #224]",
        "stp q16, q17, [x0, #256]",
        "stp q18, q19, [x0, #288]",
        "stp q20, q21, [x0, #320]",
        "stp q22, q23, [x0, #352]",
        "stp q24, q25, [x0, #384]",
        "stp q26, q27, [x0, #416]",
        "stp q28, q29, [x0, #448]",
        "stp q30, q31, [x0, #480]",
        "mrs x1, fpcr",
        "mrs x2, fpsr",
        "str x1, [x0, #512]",
        "str x2, [x0, #520]",
        "ret",
        ".arch_extension nofp",
    )
}

#[unsafe(naked)]
unsafe extern "C" fn load_registers(area: *mut u8) {
    naked_asm!(
        ".arch_extension fp",
        ".arch_extension simd",
        "ldp q0, q1, [x0, #0]",
        "ldp q2, q3, [x0, #32]",
        "ldp q4, q5, [x0, #64]",
        "ldp q6, q7, [x0, #96]",
        "ldp q8, q9, [x0, #128]",
        "ldp q10, q11, [x0, #160]",
        "ldp q12, q13, [x0, #192]",
        "ldp q14, q15, [x0, #224]",
        "ldp q16, q17, [x0, #256]",
        "ldp q18, q19, [x0, #288]",
        "ldp q20, q21, [x0, #320]",
        "ldp q22, q23, [x0, #352]",
        "ldp q24, q25, [x0, #384]",
        "ldp q26, q27, [x0, #416]",
        "ldp q28, q29, [x0, #448]",
        "ldp q30, q31, [x0, #480]",
        "ldr x1, [x0, #512]",
        "ldr x2, [x0, #520]",
        "msr fpcr, x1",
        "msr fpsr, x2",
        "ret",
        ".arch_extension nofp",
    )
}

/// Lets user mode use the FPU.
#[inline]
pub fn enable(block: &CpuBlock) {
    if !block.arch.fpu_enabled.replace(true) {
        set_control(CONTROL);
    }
}

/// Makes the next use of the FPU a fault.
#[inline]
pub fn disable(block: &CpuBlock) {
    if block.arch.fpu_enabled.get() {
        block.arch.fpu_enabled.set(false);
        set_control(CONTROL | CONTROL_TRAP);
    }
}

/// Turns the FPU off on a CPU that has not been entered.
pub(super) fn initialise_cpu() {
    set_control(CONTROL | CONTROL_TRAP);
}

fn set_control(control: u64) {
    // SAFETY: the register only says what traps; the kernel itself uses the
    // FPU in `save` and `restore` alone.
    unsafe { write_register!("cptr_el2", control) };
    barrier!("isb");
}

/// Whether the FPU can be used.
#[inline]
pub fn is_enabled(block: &CpuBlock) -> bool {
    block.arch.fpu_enabled.get()
}
