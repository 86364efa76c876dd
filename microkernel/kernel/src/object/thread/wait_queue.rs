//! Queues of threads that wait for one thing: a receiver, a gate, a
//! semaphore. The threads may be of any CPU, so a queue is under the lock of
//! what they wait for, and has a copy of what counts there of a thread.
//!
//! Whoever takes a thread off the queue ends its wait: a CPU that is not the
//! thread's tells it by an errand (`remote`).

use core::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

use machine::list::{Links, List, Node};

use super::Thread;
use crate::cpu::{Cpu, CpuLocal};
use crate::remote::{self, Errand};

/// A thread's place in a queue; it is in one at most.
pub struct QueuePlace {
    links: Links<Thread>,
    /// That of the thread when it came.
    priority: AtomicU8,
    /// What the receiver gets as label of the thread's message.
    label: AtomicU64,
}

impl QueuePlace {
    /// In no queue.
    pub const fn new() -> Self {
        Self {
            links: Links::new(),
            priority: AtomicU8::new(0),
            label: AtomicU64::new(0),
        }
    }

    /// The label of the message.
    pub fn label(&self) -> u64 {
        self.label.load(Relaxed)
    }

    /// Gives the message another label.
    pub fn set_label(&self, label: u64) {
        self.label.store(label, Relaxed);
    }

    /// True while it is in a queue.
    #[cfg(test)]
    pub(crate) fn is_linked(&self) -> bool {
        self.links.is_linked()
    }
}

impl Default for QueuePlace {
    fn default() -> Self {
        Self::new()
    }
}

struct Queued;

impl Node<Thread> for Queued {
    fn links(item: &Thread) -> &Links<Thread> {
        &item.place.links
    }
}

/// Threads by the priority that they had when they came, then first come.
pub struct WaitQueue(List<Thread, Queued>);

impl WaitQueue {
    /// Nobody waits.
    pub const fn new() -> Self {
        Self(List::new())
    }

    /// True if nobody waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first in the queue.
    pub fn front<'cpu>(&self, cpu: &'cpu Cpu) -> Option<&'cpu Thread> {
        self.0.front(cpu)
    }

    /// All in the queue, in its order.
    pub fn iter<'cpu>(&'cpu self, cpu: &'cpu Cpu) -> impl Iterator<Item = &'cpu Thread> {
        self.0.iter(cpu)
    }

    /// Queues `thread` behind those of its own or a higher priority.
    pub fn insert(&self, cpu: &Cpu, thread: &Thread, priority: u8) {
        thread.place.priority.store(priority, Relaxed);
        let goes_before = |other: &Thread| other.place.priority.load(Relaxed) >= priority;
        // Mostly all have one priority; then the place is at the end.
        if self.0.back(cpu).is_none_or(goes_before) {
            self.0.push_back(thread);
        } else if let Some(other) = self.iter(cpu).find(|other| !goes_before(other)) {
            self.0.insert_before(other, thread);
        }
    }

    /// True if `thread` is in this queue.
    pub fn contains(&self, thread: &Thread) -> bool {
        self.0.contains(thread)
    }

    /// Takes `thread` off. False if it was not in this queue.
    pub fn remove(&self, thread: &Thread) -> bool {
        self.0.remove(thread)
    }

    /// Takes the first off.
    pub fn pop_front<'cpu>(&self, cpu: &'cpu Cpu) -> Option<&'cpu Thread> {
        self.0.pop_front(cpu)
    }
}

impl Default for WaitQueue {
    fn default() -> Self {
        Self::new()
    }
}

/// Ends the waits of the threads that `next` takes off their queue. False if
/// that has to pause.
pub fn end_waits<'cpu>(
    cpu: &'cpu Cpu,
    next: impl Fn() -> Option<&'cpu Thread>,
    errand: Errand,
) -> bool {
    while let Some(thread) = next() {
        remote::errand(cpu, thread, errand);
        if CpuLocal::must_pause(cpu) {
            return false;
        }
    }
    true
}
