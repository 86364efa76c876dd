//! Threads that wait until some time.
//!
//! A radix queue: a thread is on the list whose number is the position of the
//! highest bit in which its deadline differs from the time up to which the
//! queue is cleared. Adding and removing take no search; a thread moves to a
//! lower list at most 64 times before it expires.

use core::cell::Cell;

use machine::list::{Links, List, Node};

use crate::cpu::Cpu;
use crate::object::thread::Thread;

/// Chooses the node by which a thread is on a timeout list.
pub(super) struct Timed;

impl Node<Thread> for Timed {
    fn links(item: &Thread) -> &Links<Thread> {
        item.timeout_links()
    }
}

/// Lists: one for "now", one for each bit of a time.
const LISTS: usize = 65;

/// Threads by the time at which their wait ends, in µs of the KIP clock.
pub struct Timeouts {
    pub(super) lists: [List<Thread, Timed>; LISTS],
    /// Bit n: list n + 1 is not empty.
    occupied: Cell<u64>,
    /// Everything before this time has been taken off.
    cleared: Cell<u64>,
    /// The list whose threads all move to lower ones, one after the other; 0:
    /// none does.
    spreading: Cell<usize>,
    changed: Cell<bool>,
}

impl Timeouts {
    /// Nobody waits.
    pub fn new() -> Self {
        Self {
            lists: [const { List::new() }; LISTS],
            occupied: Cell::new(0),
            cleared: Cell::new(0),
            spreading: Cell::new(0),
            changed: Cell::new(false),
        }
    }

    fn list_of(&self, deadline: u64) -> usize {
        (u64::BITS - (deadline ^ self.cleared.get()).leading_zeros()) as usize
    }

    /// Lets `thread` wait until `deadline`.
    pub fn add(&self, cpu: &Cpu, thread: &Thread, deadline: u64) {
        let deadline = deadline.max(self.cleared.get());
        thread.state(cpu).deadline.set(deadline);
        self.changed.set(true);
        let list = self.list_of(deadline);
        self.lists[list].push_back(thread);
        if let Some(bit) = list.checked_sub(1) {
            self.occupied.set(self.occupied.get() | 1 << bit);
        }
    }

    /// `thread`, which may wait until some time, leaves this CPU.
    pub fn suspend(&self, cpu: &Cpu, thread: &Thread) {
        if thread.timeout_links().is_linked() {
            self.remove(cpu, thread);
            thread.state(cpu).has_deadline.set(true);
        }
    }

    /// `thread` has come to this CPU, and waits on if it did.
    pub fn resume(&self, cpu: &Cpu, thread: &Thread) {
        let state = thread.state(cpu);
        if state.has_deadline.replace(false) {
            self.add(cpu, thread, state.deadline.get());
        }
    }

    /// Lets `thread` wait no longer. Nothing happens if it does not.
    #[inline]
    pub fn remove(&self, cpu: &Cpu, thread: &Thread) {
        thread.state(cpu).has_deadline.set(false);
        if thread.timeout_links().is_linked() {
            self.unlink(cpu, thread);
        }
    }

    fn unlink(&self, cpu: &Cpu, thread: &Thread) {
        let list = self.list_of(thread.state(cpu).deadline.get());
        let spreading = &self.lists[self.spreading.get()];
        let removed = self.lists[list].remove(thread) || spreading.remove(thread);
        debug_assert!(removed, "a waiting thread is on the list of its deadline");
        self.note_if_empty(list);
    }

    fn note_if_empty(&self, list: usize) {
        if let Some(bit) = list.checked_sub(1)
            && self.lists[list].is_empty()
        {
            self.occupied.set(self.occupied.get() & !(1 << bit));
        }
    }

    /// The timer has to be set again.
    pub fn set_changed(&self) {
        self.changed.set(true);
    }

    /// True if the timer has to be set again, since this was asked last.
    pub fn take_changed(&self) -> bool {
        self.changed.replace(false)
    }

    /// When to look again: no thread's wait ends before. `None`: nobody
    /// waits.
    pub fn next(&self) -> Option<u64> {
        if !self.lists[0].is_empty() || !self.lists[self.spreading.get()].is_empty() {
            return Some(self.cleared.get());
        }
        if self.occupied.get() == 0 {
            return None;
        }
        let bit = self.occupied.get().trailing_zeros();
        // The lowest time that differs in this bit, which is set in every
        // deadline on that list.
        Some(((self.cleared.get() >> bit) | 1) << bit)
    }

    /// Does a step: takes a thread off whose wait has ended at `now`, and lets
    /// `end` have it, or moves one to a lower list. False if no wait has ended.
    pub fn expire(&self, cpu: &Cpu, now: u64, end: impl FnOnce(&Thread)) -> bool {
        if let Some(thread) = self.lists[0].pop_front(cpu) {
            end(thread);
            return true;
        }
        let spreading = self.spreading.get();
        if spreading != 0 {
            match self.lists[spreading].pop_front(cpu) {
                Some(thread) => self.add(cpu, thread, thread.state(cpu).deadline.get()),
                None => self.spreading.set(0),
            }
            return true;
        }
        let Some(next) = self.next().filter(|next| *next <= now) else {
            return false;
        };
        // Time has reached the lowest list: none of its threads stays there.
        let list = self.list_of(next);
        self.cleared.set(next);
        self.occupied.set(self.occupied.get() & !(1 << (list - 1)));
        self.spreading.set(list);
        true
    }
}

#[cfg(test)]
mod tests;
