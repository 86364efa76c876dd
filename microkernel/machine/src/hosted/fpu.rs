//! The FPU: a state is eight bytes that nobody computes with.

use core::ptr::NonNull;

use crate::per_cpu::CpuBlock;

/// The bytes that one thread's FPU state takes.
pub fn area_size() -> usize {
    8
}

/// Writes the state of a fresh thread.
///
/// # Safety
/// `area` points to [`area_size`] writable bytes, 64-byte aligned.
pub unsafe fn initialise(area: NonNull<u8>) {
    // SAFETY: the caller's promise.
    unsafe { area.write_bytes(0, area_size()) }
}

/// Saves the FPU's registers.
///
/// # Safety
/// As for [`initialise`].
pub unsafe fn save(_area: NonNull<u8>) {}

/// Loads the FPU's registers.
///
/// # Safety
/// As for [`initialise`], with a state in it.
pub unsafe fn restore(_area: NonNull<u8>) {}

/// Lets user mode use the FPU.
pub fn enable(block: &CpuBlock) {
    block.arch.fpu_enabled.set(true);
}

/// Makes the next use of the FPU a fault.
pub fn disable(block: &CpuBlock) {
    block.arch.fpu_enabled.set(false);
}

/// Whether the FPU can be used.
pub fn is_enabled(block: &CpuBlock) -> bool {
    block.arch.fpu_enabled.get()
}
