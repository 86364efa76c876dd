//! A CPU of a test: nothing but its number.

/// What this machine keeps for each CPU: nothing.
pub struct CpuState {}

impl CpuState {
    /// A fresh CPU.
    pub const fn new() -> Self {
        Self {}
    }
}

impl Default for CpuState {
    fn default() -> Self {
        Self::new()
    }
}

/// Waits a moment in a loop that waits for another CPU.
#[inline]
pub fn relax() {
    core::hint::spin_loop();
}
