//! Making a CPU that starts tell the same time as the boot CPU.
//!
//! Firmware starts all time stamp counters together, as a rule. User mode
//! reads them without asking, so one that is off is set right, or its CPU is
//! not used.

use core::hint::spin_loop;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::clock_offset::ClockOffset;
use super::instructions::{cpuid, msr, read_msr, read_tsc_in_order, write_msr};
use super::timer::Timer;

/// Looks at the clocks, at least and at most; and how long it takes if they
/// are slow, in µs.
const MIN_LOOKS: u32 = 4;
const MAX_LOOKS: u32 = 64;
const TIME: u64 = 1_000;
/// How often a clock is set before it is held to be of no use.
const ATTEMPTS: u32 = 4;

/// What the boot CPU asks of the other one, which answers with [`DONE`].
mod request {
    pub(super) const NONE: u32 = 0;
    pub(super) const DONE: u32 = 1;
    pub(super) const LOOK: u32 = 2;
    pub(super) const SET_BACK: u32 = 3;
    pub(super) const GO: u32 = 4;
}

/// What the two CPUs share.
pub(super) struct ClockSync {
    request: AtomicU32,
    /// What the other CPU read, or what it is to subtract.
    ticks: AtomicU64,
}

impl ClockSync {
    pub(super) const fn new() -> Self {
        Self {
            request: AtomicU32::new(request::NONE),
            ticks: AtomicU64::new(0),
        }
    }

    /// On the boot CPU, while another one [follows](Self::follow). True if
    /// the clocks tell the same time in the end.
    pub(super) fn lead(&self, timer: &Timer) -> bool {
        for _ in 0..ATTEMPTS {
            let excess = self.measure(timer).excess();
            if excess == 0 {
                self.ask(request::GO);
                return true;
            }
            self.ticks.store(excess as u64, Ordering::Relaxed);
            self.ask(request::SET_BACK);
        }
        false
    }

    fn measure(&self, timer: &Timer) -> ClockOffset {
        let mut offset = ClockOffset::UNKNOWN;
        let end = timer.now() + TIME;
        for look in 0..MAX_LOOKS {
            if look >= MIN_LOOKS && timer.now() > end {
                break;
            }
            let before = read_tsc_in_order();
            self.ask(request::LOOK);
            let after = read_tsc_in_order();
            offset.add(before, self.ticks.load(Ordering::Relaxed), after);
        }
        offset
    }

    /// Asks the other CPU for something and waits until it is done.
    fn ask(&self, request: u32) {
        self.request.store(request, Ordering::Release);
        while self.request.load(Ordering::Acquire) != request::DONE {
            spin_loop();
        }
    }

    /// On a CPU that starts. One whose clock is of no use stays here, until it
    /// is stopped from outside.
    pub(super) fn follow(&self) {
        loop {
            let asked = self.request.load(Ordering::Acquire);
            match asked {
                request::LOOK => self.ticks.store(read_tsc_in_order(), Ordering::Relaxed),
                request::SET_BACK => set_back(self.ticks.load(Ordering::Relaxed)),
                request::GO => {}
                _ => {
                    spin_loop();
                    continue;
                }
            }
            self.request.store(request::DONE, Ordering::Release);
            if asked == request::GO {
                return;
            }
        }
    }
}

/// Subtracts ticks from this CPU's counter.
fn set_back(ticks: u64) {
    /// CPUID leaf 7: the counter has an adjustment register.
    const ADJUST: u32 = 1 << 1;
    // SAFETY: the registers exist; nothing on this CPU depends on its time
    // yet.
    unsafe {
        if cpuid(7, 0).ebx & ADJUST != 0 {
            let adjustment = read_msr(msr::TSC_ADJUST);
            write_msr(msr::TSC_ADJUST, adjustment.wrapping_sub(ticks));
        } else {
            write_msr(msr::TSC, read_tsc_in_order().wrapping_sub(ticks));
        }
    }
}
