//! The clock since boot, and sleeping.

use core::mem::offset_of;
use core::time::Duration;

use l4_abi::arch::native::KipHeader;
use l4_abi::kip::{CLOCK_MICROS_CODE_OFFSET, CLOCK_NANOS_CODE_OFFSET};

use crate::env;

pub use l4_sys::ipc::sleep;

/// Time since boot, by the clock that IPC timeouts use. Zero if the kernel info page is missing.
pub fn now() -> Duration {
    Duration::from_micros(read_clock(CLOCK_MICROS_CODE_OFFSET))
}

/// As [`now`], in nanoseconds where the hardware counts that finely.
pub fn now_precise() -> Duration {
    Duration::from_nanos(read_clock(CLOCK_NANOS_CODE_OFFSET))
}

/// Ticks in a second of the counter that the clock is made of, as far as the kernel tells. Zero if it does not.
pub fn counter_frequency() -> u64 {
    let Some(kip) = env::kip() else { return 0 };
    let place = kip + offset_of!(KipHeader, cpu_frequency_khz);
    // SAFETY: the loader mapped the page, and the kernel filled it in before.
    let kilohertz = unsafe { (place as *const u64).read_volatile() };
    kilohertz.saturating_mul(1000)
}

fn read_clock(offset: usize) -> u64 {
    let Some(kip) = env::kip() else { return 0 };
    // SAFETY: the loader mapped the page executable, and the kernel put a function without
    // arguments there that returns the time (`abi/04`).
    let read = unsafe { core::mem::transmute::<usize, extern "C" fn() -> u64>(kip + offset) };
    read()
}
