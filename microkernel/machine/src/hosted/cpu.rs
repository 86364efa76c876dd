//! A CPU of a test: little more than its number.

use std::cell::Cell;

/// What this machine keeps for each CPU.
pub struct CpuState {
    /// User mode may use the FPU.
    pub(super) fpu_enabled: Cell<bool>,
}

impl CpuState {
    /// A fresh CPU.
    pub const fn new() -> Self {
        Self {
            fpu_enabled: Cell::new(false),
        }
    }
}

/// Waits a moment in a loop that waits for another CPU.
#[inline]
pub fn relax() {
    core::hint::spin_loop();
}

std::thread_local! {
    static CURRENT: Cell<u32> = const { Cell::new(0) };
}

/// From now on this thread of the test is CPU `id`, for what the hardware has
/// once for each CPU.
pub fn become_cpu(id: u32) {
    CURRENT.set(id);
}

/// The CPU that this thread of the test is.
pub fn current() -> u32 {
    CURRENT.get()
}
