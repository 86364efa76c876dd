//! The timeouts against a sorted list.

use super::*;

impl Timeouts {
    /// True if `thread` is on the list of its deadline.
    pub(crate) fn contains(&self, cpu: &Cpu, thread: &Thread) -> bool {
        let deadline = thread.state(cpu).deadline.get();
        deadline >= self.cleared.get() && self.lists[self.list_of(deadline)].contains(thread)
    }
}
