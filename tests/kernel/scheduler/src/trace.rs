//! Who ran, in which order.

use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use l4_test::abi::timeout::Timeout;
use l4_test::kip;
use l4_test::message::{nobody, receive};

/// Up to 16 entries of four bits, the latest in the lowest.
static TRACE: AtomicU64 = AtomicU64::new(0);

/// Forgets all.
pub(crate) fn clear() {
    TRACE.store(0, SeqCst);
}

/// Notes that `who` (1 to 15) has run.
pub(crate) fn note(who: u64) {
    let _ = TRACE.fetch_update(SeqCst, SeqCst, |trace| Some(trace << 4 | who));
}

/// All notes as hexadecimal digits, the first in front.
pub(crate) fn trace() -> u64 {
    TRACE.load(SeqCst)
}

/// Works for this many µs.
pub(crate) fn work(time: u64) {
    let end = kip::micros() + time;
    while kip::micros() < end {
        core::hint::spin_loop();
    }
}

/// Works until something has happened; for three seconds at most.
pub(crate) fn work_until(happened: impl Fn() -> bool) {
    let end = kip::micros() + 3_000_000;
    while !happened() && kip::micros() < end {
        core::hint::spin_loop();
    }
}

/// Sleeps for this many µs.
pub(crate) fn sleep(time: u64) {
    receive(nobody(), Timeout::from_micros(time));
}
