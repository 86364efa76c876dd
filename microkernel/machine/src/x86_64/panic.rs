//! What the report of a panic needs of the hardware.

use core::arch::asm;

use super::console::Console;

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

/// The frame pointer of the calling function.
#[inline(always)]
pub(crate) fn frame_pointer() -> u64 {
    let frame_pointer;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, rbp", out(reg) frame_pointer, options(nomem, nostack)) };
    frame_pointer
}
