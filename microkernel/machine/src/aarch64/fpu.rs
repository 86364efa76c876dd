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
        "st1 {{v0.2d-v3.2d}}, [x0], #64",
        "st1 {{v4.2d-v7.2d}}, [x0], #64",
        "st1 {{v8.2d-v11.2d}}, [x0], #64",
        "st1 {{v12.2d-v15.2d}}, [x0], #64",
        "st1 {{v16.2d-v19.2d}}, [x0], #64",
        "st1 {{v20.2d-v23.2d}}, [x0], #64",
        "st1 {{v24.2d-v27.2d}}, [x0], #64",
        "st1 {{v28.2d-v31.2d}}, [x0], #64",
        "mrs x1, fpcr",
        "mrs x2, fpsr",
        "str x1, [x0]",
        "str x2, [x0, #8]",
        "ret",
        ".arch_extension nofp",
    )
}

#[unsafe(naked)]
unsafe extern "C" fn load_registers(area: *mut u8) {
    naked_asm!(
        ".arch_extension fp",
        ".arch_extension simd",
        "ld1 {{v0.2d-v3.2d}}, [x0], #64",
        "ld1 {{v4.2d-v7.2d}}, [x0], #64",
        "ld1 {{v8.2d-v11.2d}}, [x0], #64",
        "ld1 {{v12.2d-v15.2d}}, [x0], #64",
        "ld1 {{v16.2d-v19.2d}}, [x0], #64",
        "ld1 {{v20.2d-v23.2d}}, [x0], #64",
        "ld1 {{v24.2d-v27.2d}}, [x0], #64",
        "ld1 {{v28.2d-v31.2d}}, [x0], #64",
        "ldr x1, [x0]",
        "ldr x2, [x0, #8]",
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
