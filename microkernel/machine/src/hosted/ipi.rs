//! Interrupts between CPUs, recorded for each thread of the test.

use std::cell::RefCell;
use std::vec::Vec;

use super::platform::Platform;

std::thread_local! {
    static SENT: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
}

/// Interrupts CPU `id`.
pub fn send(_platform: &Platform, id: u32) {
    SENT.with_borrow_mut(|sent| sent.push(id));
}

/// The CPUs that this CPU interrupted since the last call.
pub fn take_recorded() -> Vec<u32> {
    SENT.take()
}
