//! What the report of a panic needs of the hardware: in a static, because
//! it has none of the kernel's values.

use core::arch::asm;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

use super::console::Console;
use super::psci;
use crate::per_cpu::CpuBlock;

pub(crate) use super::stacks::is_on_stack;
pub(crate) use super::start::load_offset;

struct Means {
    console: UnsafeCell<Console>,
    has_psci: AtomicBool,
}

// SAFETY: written once, by the boot CPU before other CPUs run.
unsafe impl Sync for Means {}

static MEANS: Means = Means {
    console: UnsafeCell::new(Console::NONE),
    has_psci: AtomicBool::new(false),
};

/// Says where to report to. Once, on the boot CPU before other CPUs run.
pub(super) fn prepare(console: Console, has_psci: bool) {
    // SAFETY: nobody else looks yet.
    unsafe { *MEANS.console.get() = console };
    MEANS.has_psci.store(has_psci, Ordering::Relaxed);
}

/// Whether there is firmware to ask.
pub(super) fn has_psci() -> bool {
    MEANS.has_psci.load(Ordering::Relaxed)
}

/// The console, if one was found yet.
pub(crate) fn console() -> Console {
    // SAFETY: written before anything that can fail, if at all.
    unsafe { *MEANS.console.get() }
}

/// This CPU's block; null before it has one.
pub(crate) fn cpu_block() -> *const CpuBlock {
    read_register!("tpidr_el2") as *const CpuBlock
}

/// The frame pointer of the calling function.
#[inline(always)]
pub(crate) fn frame_pointer() -> u64 {
    let frame_pointer;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, x29", out(reg) frame_pointer, options(nomem, nostack)) };
    frame_pointer
}

/// Turns the machine off, or at least stops this CPU.
pub(crate) fn power_off() -> ! {
    if has_psci() {
        psci::system_off();
    }
    halt()
}

/// Resets the machine, or at least stops this CPU.
pub(super) fn reset() -> ! {
    if has_psci() {
        psci::system_reset();
    }
    halt()
}

/// Stops this CPU for good.
pub(crate) fn halt() -> ! {
    loop {
        barrier!("wfi");
    }
}
