//! Looking at who is ready, who waits and whose time passes, for the kernel debugger.

use super::{Budget, ReadyQueue, Timeouts};
use crate::cpu::Cpu;
use crate::object::thread::Thread;

impl Budget {
    /// Whose time passes.
    pub fn owner<'cpu>(&self, cpu: &'cpu Cpu) -> Option<&'cpu Thread> {
        self.owner.get(cpu)
    }
}

impl ReadyQueue {
    /// The threads of `priority`.
    pub fn of_priority<'cpu>(
        &self,
        cpu: &'cpu Cpu,
        priority: u8,
    ) -> impl Iterator<Item = &'cpu Thread> {
        self.lists[usize::from(priority)].iter(cpu)
    }
}

impl Timeouts {
    /// All threads that wait, roughly by their time.
    pub fn iter<'cpu>(&self, cpu: &'cpu Cpu) -> impl Iterator<Item = &'cpu Thread> {
        self.lists.iter().flat_map(|list| list.iter(cpu))
    }
}
