//! A guest in a virtual machine that exits at once, and its VMM that does nothing about it.

use super::OPERATIONS;
use crate::arch::Guest;
use crate::measure::{row, since};

/// The guest, where there can be one.
pub(crate) struct Rows(Option<Guest>);

impl Rows {
    pub(crate) fn new() -> Self {
        Self(Guest::new())
    }

    pub(crate) fn measure(&self, crowd: usize) {
        let Some(guest) = &self.0 else {
            return;
        };
        // The other rows have another state for this thread.
        guest.prepare();
        row("vm-exit", crowd, OPERATIONS, || {
            let start = crate::arch::counter();
            for _ in 0..OPERATIONS {
                guest.run();
            }
            since(start)
        });
    }
}
