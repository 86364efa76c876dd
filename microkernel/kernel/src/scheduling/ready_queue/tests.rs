//! The ready queue against a sorted list.

use super::*;

impl ReadyQueue {
    pub(crate) fn contains(&self, thread: &Thread, priority: u8) -> bool {
        self.lists[usize::from(priority)].contains(thread)
    }
}
