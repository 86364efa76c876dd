//! The threads of one CPU that could run: one list for each of 256
//! priorities, and a bit for each list that is not empty.

use core::cell::Cell;

use machine::list::{Links, List, Node};

use crate::cpu::Cpu;
use crate::object::thread::Thread;

/// Number of priorities; 0 is the idle CPU's.
pub(super) const PRIORITIES: usize = 256;

/// Chooses the node by which a thread is on a ready list.
pub struct Ready;

impl Node<Thread> for Ready {
    fn links(item: &Thread) -> &Links<Thread> {
        item.ready_links()
    }
}

/// Ready threads by priority.
pub struct ReadyQueue {
    pub(super) lists: [List<Thread, Ready>; PRIORITIES],
    occupied: [Cell<u64>; PRIORITIES / 64],
}

impl ReadyQueue {
    /// Nobody is ready.
    pub fn new() -> Self {
        Self {
            lists: [const { List::new() }; PRIORITIES],
            occupied: [const { Cell::new(0) }; PRIORITIES / 64],
        }
    }

    #[inline(always)]
    fn mark(&self, priority: u8) {
        let word = &self.occupied[usize::from(priority / 64)];
        word.set(word.get() | 1 << (priority % 64));
    }

    /// Puts `thread` before the others of its priority.
    #[inline(always)]
    pub fn push_front(&self, thread: &Thread, priority: u8) {
        self.lists[usize::from(priority)].push_front(thread);
        self.mark(priority);
    }

    /// Puts `thread` behind the others of its priority.
    pub fn push_back(&self, thread: &Thread, priority: u8) {
        self.lists[usize::from(priority)].push_back(thread);
        self.mark(priority);
    }

    /// Takes `thread` off; false if it was not there.
    #[inline(always)]
    pub fn remove(&self, thread: &Thread, priority: u8) -> bool {
        let list = &self.lists[usize::from(priority)];
        let removed = list.remove(thread);
        if removed && list.is_empty() {
            let word = &self.occupied[usize::from(priority / 64)];
            word.set(word.get() & !(1 << (priority % 64)));
        }
        removed
    }

    /// The highest priority at which a thread is ready.
    #[inline(always)]
    pub fn highest(&self) -> Option<u8> {
        for (index, word) in self.occupied.iter().enumerate().rev() {
            if word.get() != 0 {
                return Some((index * 64) as u8 + 63 - word.get().leading_zeros() as u8);
            }
        }
        None
    }

    /// The first thread of `priority`.
    #[inline]
    pub fn front<'cpu>(&self, cpu: &'cpu Cpu, priority: u8) -> Option<&'cpu Thread> {
        self.lists[usize::from(priority)].front(cpu)
    }

    /// Takes the first thread of `priority` off.
    pub fn pop<'cpu>(&self, cpu: &'cpu Cpu, priority: u8) -> Option<&'cpu Thread> {
        let thread = self.lists[usize::from(priority)].front(cpu)?;
        self.remove(thread, priority);
        Some(thread)
    }
}

#[cfg(test)]
mod tests;
