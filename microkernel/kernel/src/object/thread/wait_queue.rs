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
    /// For the first of each priority.
    leading: Links<Thread>,
    /// For the one whose label is changed next.
    next_to_rewrite: Links<Thread>,
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
            leading: Links::new(),
            next_to_rewrite: Links::new(),
            priority: AtomicU8::new(0),
            label: AtomicU64::new(0),
        }
    }

    fn priority(&self) -> u8 {
        self.priority.load(Relaxed)
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

struct Queued;

impl Node<Thread> for Queued {
    fn links(item: &Thread) -> &Links<Thread> {
        &item.place.links
    }
}

struct Leading;

impl Node<Thread> for Leading {
    fn links(item: &Thread) -> &Links<Thread> {
        &item.place.leading
    }
}

/// Chooses the node by which a receiver knows whose label it changes next.
pub struct NextSender;

impl Node<Thread> for NextSender {
    fn links(item: &Thread) -> &Links<Thread> {
        &item.place.next_to_rewrite
    }
}

/// Threads by the priority that they had when they came, then first come.
pub struct WaitQueue {
    all: List<Thread, Queued>,
    /// The first of each priority: there are at most as many as priorities, so
    /// finding a place takes bounded time.
    leaders: List<Thread, Leading>,
}

impl WaitQueue {
    /// Nobody waits.
    pub const fn new() -> Self {
        Self {
            all: List::new(),
            leaders: List::new(),
        }
    }

    /// True if nobody waits.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The first in the queue.
    pub fn front<'cpu>(&self, cpu: &'cpu Cpu) -> Option<&'cpu Thread> {
        self.all.front(cpu)
    }

    /// The one behind `thread`, if that is in this queue.
    pub fn after<'cpu>(&self, cpu: &'cpu Cpu, thread: &Thread) -> Option<&'cpu Thread> {
        self.all.after(cpu, thread)
    }

    /// All in the queue, in its order.
    pub fn iter<'cpu>(&'cpu self, cpu: &'cpu Cpu) -> impl Iterator<Item = &'cpu Thread> {
        self.all.iter(cpu)
    }

    /// Queues `thread` behind those of its own or a higher priority.
    pub fn insert(&self, cpu: &Cpu, thread: &Thread, priority: u8) {
        thread.place.priority.store(priority, Relaxed);
        let is_lower = |other: &&Thread| other.place.priority() < priority;
        // Mostly all have one priority; then the place is at the end.
        let last = self.all.back(cpu);
        let behind = (last.filter(is_lower)).and_then(|_| self.leaders.iter(cpu).find(is_lower));
        let before = match behind {
            Some(behind) => {
                self.all.insert_before(behind, thread);
                self.all.before(cpu, thread)
            }
            None => {
                self.all.push_back(thread);
                last
            }
        };
        let follows_its_like = before.is_some_and(|other| other.place.priority() == priority);
        match behind {
            _ if follows_its_like => {}
            Some(behind) => self.leaders.insert_before(behind, thread),
            None => self.leaders.push_back(thread),
        }
    }

    /// True if `thread` is in this queue.
    pub fn contains(&self, thread: &Thread) -> bool {
        self.all.contains(thread)
    }

    /// Takes `thread` off. False if it was not in this queue.
    pub fn remove(&self, cpu: &Cpu, thread: &Thread) -> bool {
        let next = self.all.after(cpu, thread);
        if self.leaders.contains(thread) {
            if let Some(next) = next
                && next.place.priority() == thread.place.priority()
            {
                self.leaders.insert_before(thread, next);
            }
            self.leaders.remove(thread);
        }
        self.all.remove(thread)
    }

    /// Takes the first off.
    pub fn pop_front<'cpu>(&self, cpu: &'cpu Cpu) -> Option<&'cpu Thread> {
        let first = self.front(cpu)?;
        self.remove(cpu, first);
        Some(first)
    }
}

/// Ends the waits of the threads that `next` takes off their queue. False if
/// that has to pause.
pub fn end_waits<'cpu>(
    cpu: &'cpu Cpu,
    mut next: impl FnMut() -> Option<&'cpu Thread>,
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::object::Ref;
    use crate::testing::run;

    const THREADS: usize = 10;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn threads_wait_by_priority_then_in_the_order_in_which_they_came(
            steps in prop::collection::vec((0..THREADS, 0..4_u8), 1..60)
        ) {
            run(|world| {
                let threads: Vec<Ref<Thread>> = (0..THREADS).map(|_| world.new_thread()).collect();
                let (queue, cpu) = (WaitQueue::new(), &*world.cpu);
                let mut model: Vec<(u8, usize)> = Vec::new();
                // A thread that waits goes, one that does not comes.
                for (thread, priority) in steps {
                    let waited = model.iter().position(|(_, waiting)| *waiting == thread);
                    assert_eq!(queue.remove(cpu, &threads[thread]), waited.is_some());
                    if let Some(place) = waited {
                        model.remove(place);
                    } else {
                        queue.insert(cpu, &threads[thread], priority);
                        let place = model.iter().position(|(other, _)| *other < priority);
                        model.insert(place.unwrap_or(model.len()), (priority, thread));
                    }
                    let ids = queue.iter(cpu).map(|thread| thread.id);
                    let expected = model.iter().map(|(_, thread)| threads[*thread].id);
                    assert!(ids.eq(expected));
                    let leaders: Vec<u8> = (queue.leaders.iter(cpu))
                        .map(|leader| leader.place.priority())
                        .collect();
                    let mut priorities: Vec<u8> = model.iter().map(|(priority, _)| *priority).collect();
                    priorities.dedup();
                    assert_eq!(leaders, priorities, "one leads each priority");
                }
                while queue.pop_front(cpu).is_some() {}
            });
        }
    }
}
