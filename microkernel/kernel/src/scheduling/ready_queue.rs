//! The threads of one CPU that could run: one list for each of 256
//! priorities, a bit for each list that is not empty, and a bit for each word of
//! such bits that is not zero.

use core::cell::Cell;

use machine::list::{Links, List, Node};

use crate::cpu::Cpu;
use crate::object::thread::Thread;

/// Number of priorities; 0 is the idle CPU's.
pub(super) const PRIORITIES: usize = 256;

const WORDS: usize = PRIORITIES / 64;

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
    occupied: [Cell<u64>; WORDS],
    words: Cell<u32>,
}

impl ReadyQueue {
    /// Nobody is ready.
    pub fn new() -> Self {
        Self {
            lists: [const { List::new() }; PRIORITIES],
            occupied: [const { Cell::new(0) }; WORDS],
            words: Cell::new(0),
        }
    }

    #[inline(always)]
    fn mark(&self, priority: u8) {
        let word = &self.occupied[usize::from(priority / 64)];
        word.set(word.get() | 1 << (priority % 64));
        self.words.set(self.words.get() | 1 << (priority / 64));
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
            self.unmark(priority);
        }
        removed
    }

    #[inline(always)]
    fn unmark(&self, priority: u8) {
        let word = &self.occupied[usize::from(priority / 64)];
        let rest = word.get() & !(1 << (priority % 64));
        word.set(rest);
        if rest == 0 {
            self.words.set(self.words.get() & !(1 << (priority / 64)));
        }
    }

    /// True if nobody is ready.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.words.get() == 0
    }

    /// The highest priority at which a thread is ready.
    #[inline(always)]
    pub fn highest(&self) -> Option<u8> {
        let word = self.words.get().checked_ilog2()? % WORDS as u32;
        // It is not zero.
        let bit = (self.occupied[word as usize].get() | 1).ilog2();
        Some((word * 64 + bit) as u8)
    }

    /// Takes the first thread of `priority` off.
    #[inline(always)]
    pub fn pop<'cpu>(&self, cpu: &'cpu Cpu, priority: u8) -> Option<&'cpu Thread> {
        let (thread, was_last) = self.lists[usize::from(priority)].take_front(cpu)?;
        if was_last {
            self.unmark(priority);
        }
        Some(thread)
    }
}

#[cfg(test)]
mod tests;
