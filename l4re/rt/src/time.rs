//! The clock since boot, and sleeping.

use core::time::Duration;

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

fn read_clock(offset: usize) -> u64 {
    let Some(kip) = env::kip() else { return 0 };
    // SAFETY: the loader mapped the page executable, and the kernel put a function without
    // arguments there that returns the time (`abi/04`).
    let read = unsafe { core::mem::transmute::<usize, extern "C" fn() -> u64>(kip + offset) };
    read()
}
