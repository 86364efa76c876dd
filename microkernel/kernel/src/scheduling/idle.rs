//! How long a CPU has had nothing to do.

use core::cell::Cell;

use crate::cpu::Cpu;

/// Time without a thread to run.
pub struct IdleTime {
    total: Cell<u64>,
    since: Cell<Option<u64>>,
}

impl IdleTime {
    /// None yet.
    pub const fn new() -> Self {
        Self {
            total: Cell::new(0),
            since: Cell::new(None),
        }
    }

    /// The CPU has nothing to do from now on.
    pub fn begin(&self, cpu: &Cpu) {
        if self.since.get().is_none() {
            self.since.set(Some(cpu.kernel.platform.timer.now()));
        }
    }

    /// The CPU has something to do.
    #[inline]
    pub fn end(&self, cpu: &Cpu) {
        if let Some(since) = self.since.take() {
            let idle = cpu.kernel.platform.timer.now().saturating_sub(since);
            self.total.set(self.total.get() + idle);
        }
    }

    /// In µs.
    pub fn total(&self) -> u64 {
        self.total.get()
    }
}

impl Default for IdleTime {
    fn default() -> Self {
        Self::new()
    }
}
