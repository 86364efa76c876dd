//! What the report of a panic needs of the hardware.

use core::arch::asm;

use super::console::Console;
use super::instructions::{msr, read_msr};
use crate::per_cpu::CpuBlock;

pub(crate) use super::instructions::halt;
pub(crate) use super::platform::power_off;
pub(crate) use super::stacks::is_on_stack;

/// The console, found anew.
pub(crate) fn console() -> Console {
    Console::find()
}

/// How far the image is from where it was linked.
pub(crate) fn load_offset() -> u64 {
    0
}

/// This CPU's block; null before it has one.
pub(crate) fn cpu_block() -> *const CpuBlock {
    // SAFETY: the CPU has the register.
    let address = unsafe { read_msr(msr::GS_BASE) };
    // A fault that the CPU reports before entry code has run: GS is the user's.
    let is_kernels = (address as i64) < 0;
    if is_kernels {
        address as *const CpuBlock
    } else {
        core::ptr::null()
    }
}

/// The frame pointer of the calling function.
#[inline(always)]
pub(crate) fn frame_pointer() -> u64 {
    let frame_pointer;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, rbp", out(reg) frame_pointer, options(nomem, nostack)) };
    frame_pointer
}
