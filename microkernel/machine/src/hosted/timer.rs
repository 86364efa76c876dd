//! A clock that a test moves.

use core::sync::atomic::{AtomicU64, Ordering};

use super::cpu;
use crate::kip::KipPage;
use crate::quiescence::MAX_CPUS;

/// No deadline is set.
const STOPPED: u64 = u64::MAX;

/// The clock, and the deadline of each CPU, in microseconds since boot.
pub struct Timer {
    now: AtomicU64,
    deadlines: [AtomicU64; MAX_CPUS],
}

impl Timer {
    /// A clock at 0 without a deadline.
    pub const fn new() -> Self {
        Self {
            now: AtomicU64::new(0),
            deadlines: [const { AtomicU64::new(STOPPED) }; MAX_CPUS],
        }
    }

    /// Microseconds since boot.
    #[inline]
    pub fn now(&self) -> u64 {
        self.now.load(Ordering::Relaxed)
    }

    /// Asks for a timer interrupt when the clock reaches `deadline`.
    #[inline]
    pub fn set_deadline(&self, deadline: u64) {
        self.own().store(deadline, Ordering::Relaxed);
    }

    fn own(&self) -> &AtomicU64 {
        &self.deadlines[cpu::current() as usize]
    }

    /// Asks for no timer interrupt.
    #[inline]
    pub fn stop(&self) {
        self.own().store(STOPPED, Ordering::Relaxed);
    }

    /// Writes what the clock code of the KIP needs: here just the time.
    pub fn fill_kip(&self, kip: &KipPage) {
        kip.set_word(l4_abi::kip::CLOCK_OFFSET, self.now());
    }

    /// The deadline of this CPU, for the test.
    pub fn deadline(&self) -> Option<u64> {
        Some(self.own().load(Ordering::Relaxed)).filter(|&deadline| deadline != STOPPED)
    }

    /// Moves the clock. Whether the deadline has passed: then the test calls
    /// the kernel with a timer interrupt.
    pub fn advance(&self, microseconds: u64) -> bool {
        let now = self.now.fetch_add(microseconds, Ordering::Relaxed) + microseconds;
        self.deadline().is_some_and(|deadline| deadline <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadline_passes_when_the_clock_reaches_it() {
        let timer = Timer::new();
        assert!(!timer.advance(10));
        timer.set_deadline(15);
        assert!(!timer.advance(4));
        assert!(timer.advance(1));
        timer.stop();
        assert!(!timer.advance(1));
    }
}
