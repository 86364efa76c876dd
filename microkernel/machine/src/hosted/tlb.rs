//! TLB flushes, recorded for each thread of the test (each is a CPU).

use std::cell::RefCell;
use std::vec::Vec;

/// One flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// One page of one address space.
    Page {
        /// An address in the page.
        address: u64,
        /// The address space's id.
        id: u16,
    },
    /// All of one address space.
    All(u16),
    /// Everything.
    Everything,
}

std::thread_local! {
    static FLUSHES: RefCell<Vec<Flush>> = const { RefCell::new(Vec::new()) };
}

/// What was flushed on this CPU since the last call.
pub fn take_recorded() -> Vec<Flush> {
    FLUSHES.take()
}

fn record(flush: Flush) {
    FLUSHES.with_borrow_mut(|flushes| flushes.push(flush));
}

/// Forgets the translation of one page.
pub fn flush_page(address: u64, id: u16) {
    record(Flush::Page { address, id });
}

/// Forgets the translations of one address space.
pub fn flush_all(id: u16) {
    record(Flush::All(id));
}

/// Forgets all translations.
pub fn flush_everything() {
    record(Flush::Everything);
}
