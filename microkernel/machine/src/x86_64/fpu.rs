//! The FPU: x87, SSE and whatever else of its registers user mode may use
//! (XCR0), given to threads on their first use.

use core::arch::asm;
use core::ptr::NonNull;

use super::cpu::{bits, set_fpu_trap};
use super::instructions::{cpuid, read_cr4};
use crate::per_cpu::CpuBlock;

/// Bytes of the area of `fxsave`.
const LEGACY_SIZE: usize = 512;
/// Offsets in it (SDM volume 1, 10.5.1), and the initial values (abi/05).
const CONTROL_WORD: (usize, u16) = (0, 0x37f);
const MXCSR: (usize, u32) = (24, 0x1f80);

#[inline]
fn has_xsave() -> bool {
    read_cr4() & bits::CR4_OSXSAVE != 0
}

/// The bytes that one thread's FPU state takes.
pub fn area_size() -> usize {
    if has_xsave() {
        // For what XCR0 enables.
        cpuid(0xd, 0).ebx as usize
    } else {
        LEGACY_SIZE
    }
}

/// Writes the state of a fresh thread.
///
/// # Safety
/// `area` points to [`area_size`] writable bytes, 64-byte aligned.
pub unsafe fn initialise(area: NonNull<u8>) {
    // SAFETY: the caller's promise. An empty XSAVE header, behind the legacy
    // area, stands for initial registers.
    unsafe {
        area.write_bytes(0, area_size());
        area.add(CONTROL_WORD.0).cast().write(CONTROL_WORD.1);
        area.add(MXCSR.0).cast().write(MXCSR.1);
    }
}

/// Saves the FPU's registers. The FPU is enabled.
///
/// # Safety
/// As for [`initialise`].
#[inline]
pub unsafe fn save(area: NonNull<u8>) {
    // SAFETY: the area has room; compiled code uses no FPU registers.
    unsafe {
        if has_xsave() {
            asm!("xsave64 [{}]", in(reg) area.as_ptr(), in("eax") u32::MAX, in("edx") u32::MAX,
                options(nostack, preserves_flags));
        } else {
            asm!("fxsave64 [{}]", in(reg) area.as_ptr(), options(nostack, preserves_flags));
        }
    }
}

/// Loads the FPU's registers. The FPU is enabled.
///
/// # Safety
/// As for [`initialise`], with a state in it.
#[inline]
pub unsafe fn restore(area: NonNull<u8>) {
    // SAFETY: the area holds a state; compiled code uses no FPU registers.
    // AMD's CPUs may leave the x87 pointers of the thread before in their
    // registers (APM volume 2, 11.4.4); `fninit` clears them.
    unsafe {
        asm!("fninit", options(nomem, nostack, preserves_flags));
        if has_xsave() {
            asm!("xrstor64 [{}]", in(reg) area.as_ptr(), in("eax") u32::MAX, in("edx") u32::MAX,
                options(nostack, preserves_flags));
        } else {
            asm!("fxrstor64 [{}]", in(reg) area.as_ptr(), options(nostack, preserves_flags));
        }
    }
}

/// Lets user mode use the FPU.
#[inline]
pub fn enable(cpu: &CpuBlock) {
    if !cpu.arch.fpu_enabled.replace(true) {
        set_fpu_trap(false);
    }
}

/// Makes the next use of the FPU a fault.
#[inline]
pub fn disable(cpu: &CpuBlock) {
    if cpu.arch.fpu_enabled.get() {
        cpu.arch.fpu_enabled.set(false);
        set_fpu_trap(true);
    }
}

/// Whether the FPU can be used.
#[inline]
pub fn is_enabled(cpu: &CpuBlock) -> bool {
    cpu.arch.fpu_enabled.get()
}
