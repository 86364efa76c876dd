//! How long a CPU has had nothing to do.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Time without a thread to run, in µs. Its CPU keeps it, all may ask.
pub struct IdleTime {
    total: AtomicU64,
    since: AtomicU64,
}

/// It has something to do.
const BUSY: u64 = u64::MAX;

impl IdleTime {
    /// None yet.
    pub const fn new() -> Self {
        Self {
            total: AtomicU64::new(0),
            since: AtomicU64::new(BUSY),
        }
    }

    /// The CPU has nothing to do from `now` on.
    pub fn begin(&self, now: impl FnOnce() -> u64) {
        if self.since.load(Relaxed) == BUSY {
            self.since.store(now(), Relaxed);
        }
    }

    /// The CPU has something to do.
    #[inline]
    pub fn end(&self, now: impl FnOnce() -> u64) {
        let since = self.since.load(Relaxed);
        if since != BUSY {
            self.since.store(BUSY, Relaxed);
            let idle = now().saturating_sub(since);
            self.total.store(self.total.load(Relaxed) + idle, Relaxed);
        }
    }

    /// In µs, up to `now`.
    pub fn total(&self, now: u64) -> u64 {
        let since = self.since.load(Relaxed);
        self.total.load(Relaxed) + now.saturating_sub(since.min(now))
    }
}
