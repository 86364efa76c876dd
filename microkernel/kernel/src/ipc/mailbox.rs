//! Who waits to send to a thread: other threads, and interrupts.
//!
//! Senders may be on any CPU. A thread joins on the receiver's CPU, which has
//! found that the receiver does not take the message; an interrupt joins from
//! anywhere, and the receiver's CPU is told. So what the receiver's CPU finds
//! empty stays without threads until it has left the kernel.

use l4_abi::error::IpcError;
use machine::list::{Links, List, Node};
use machine::lock::Lock;

use crate::cpu::Cpu;
use crate::object::irq::{Irq, QueuedIrq};
use crate::object::thread::{NextSender, Thread, WaitQueue};

/// Labels that are changed at a time.
const LABELS: usize = if cfg!(test) { 4 } else { 64 };

/// Senders among which a closed wait looks for one that is not named by its
/// system call.
const SEARCHED: usize = if cfg!(test) { 8 } else { 1024 };

/// The senders of one receiver.
pub struct Mailbox {
    pub(super) threads: WaitQueue,
    /// Interrupts whose message the receiver has not taken yet.
    pub(super) irqs: List<Irq, QueuedIrq>,
    /// From which on labels are yet to be changed: one of each at most.
    next: List<Thread, NextSender>,
    next_irq: List<Irq, NextIrq>,
    /// Guards both lists; taken after the lock of an interrupt. True once the
    /// receiver is dead.
    closed: Lock<bool>,
}

impl Mailbox {
    /// Nobody waits.
    pub const fn new() -> Self {
        Self {
            threads: WaitQueue::new(),
            irqs: List::new(),
            next: List::new(),
            next_irq: List::new(),
            closed: Lock::new(false),
        }
    }

    /// True if nobody waits.
    pub fn is_empty(&self) -> bool {
        self.irqs.is_empty() & self.threads.is_empty()
    }

    /// True once the receiver is dead.
    pub fn is_closed(&self) -> bool {
        *self.closed.lock()
    }

    /// The receiver is dead: no interrupt can join any more.
    pub fn close(&self) {
        *self.closed.lock() = true;
    }

    /// `sender` waits, by its priority, with a message that has `label`.
    pub fn add(&self, cpu: &Cpu, sender: &Thread, priority: u8, label: u64) {
        let _guard = self.closed.lock();
        sender.place.set_label(label);
        self.threads.insert(cpu, sender, priority);
    }

    /// `sender` waits no longer. False if it did not wait here.
    pub fn remove(&self, cpu: &Cpu, sender: &Thread) -> bool {
        let _guard = self.closed.lock();
        if self.next.remove(sender)
            && let Some(after) = self.threads.after(cpu, sender)
        {
            self.next.push_back(after);
        }
        self.threads.remove(cpu, sender)
    }

    /// Takes the first thread that waits out: whoever does that ends its wait.
    pub fn pop_sender<'cpu>(&self, cpu: &'cpu Cpu) -> Option<&'cpu Thread> {
        let _guard = self.closed.lock();
        let first = self.threads.pop_front(cpu)?;
        // The receiver is dead, and so is a change of its senders' labels.
        self.next.remove(first);
        Some(first)
    }

    /// True if `sender` waits here.
    pub fn has_sender(&self, sender: &Thread) -> bool {
        let _guard = self.closed.lock();
        self.threads.contains(sender)
    }

    /// The first thread that waits.
    pub fn sender<'cpu>(&'cpu self, cpu: &'cpu Cpu) -> Option<&'cpu Thread> {
        if self.threads.is_empty() {
            return None;
        }
        let _guard = self.closed.lock();
        self.threads.front(cpu)
    }

    /// The first interrupt that waits.
    pub fn irq<'cpu>(&'cpu self, cpu: &'cpu Cpu) -> Option<&'cpu Irq> {
        if self.irqs.is_empty() {
            return None;
        }
        let _guard = self.closed.lock();
        self.irqs.front(cpu)
    }

    /// The thread with this number, if it waits. Too many wait to look at all
    /// of them: an error.
    pub fn find_sender<'cpu>(
        &'cpu self,
        cpu: &'cpu Cpu,
        id: u64,
    ) -> Result<Option<&'cpu Thread>, IpcError> {
        let _guard = self.closed.lock();
        find(self.threads.iter(cpu), |sender| sender.id == id)
    }

    /// The interrupt with this number, likewise.
    pub fn find_irq<'cpu>(
        &'cpu self,
        cpu: &'cpu Cpu,
        id: u64,
    ) -> Result<Option<&'cpu Irq>, IpcError> {
        let _guard = self.closed.lock();
        find(self.irqs.iter(cpu), |irq| irq.id == id)
    }

    /// The message of `irq` waits. False if the receiver is dead.
    pub fn add_irq(&self, irq: &Irq) -> bool {
        let closed = self.closed.lock();
        if !*closed {
            self.irqs.push_back(irq);
        }
        !*closed
    }

    /// The message of `irq` waits no longer. False if it did not wait here.
    pub fn remove_irq(&self, cpu: &Cpu, irq: &Irq) -> bool {
        let _guard = self.closed.lock();
        if self.next_irq.remove(irq)
            && let Some(after) = self.irqs.after(cpu, irq)
        {
            self.next_irq.push_back(after);
        }
        self.irqs.remove(irq)
    }

    /// True if the message of `irq` waits here.
    pub fn has_irq(&self, irq: &Irq) -> bool {
        let _guard = self.closed.lock();
        self.irqs.contains(irq)
    }

    /// Changes the labels of the messages that wait, of some of them at a time:
    /// from the first on, or from where the last part ended. False if there
    /// are more.
    pub fn rewrite_labels(
        &self,
        cpu: &Cpu,
        from_first: bool,
        rewrite: impl Fn(u64) -> Option<u64>,
    ) -> bool {
        let _guard = self.closed.lock();
        let (first, first_irq) = match from_first {
            true => (self.threads.front(cpu), self.irqs.front(cpu)),
            false => (self.next.front(cpu), self.next_irq.front(cpu)),
        };
        self.forget_next(cpu);
        let mut part = 0..LABELS;
        let mut thread = first;
        while let Some(sender) = thread {
            if part.next().is_none() {
                break;
            }
            if let Some(label) = rewrite(sender.place.label()) {
                sender.place.set_label(label);
            }
            thread = self.threads.after(cpu, sender);
        }
        let mut irq = first_irq;
        while let Some(sender) = irq {
            if part.next().is_none() {
                break;
            }
            sender.rewrite_label(&rewrite);
            irq = self.irqs.after(cpu, sender);
        }
        thread
            .into_iter()
            .for_each(|sender| self.next.push_back(sender));
        irq.into_iter().for_each(|irq| self.next_irq.push_back(irq));
        thread.is_none() && irq.is_none()
    }

    /// True while labels are changed.
    pub fn is_rewritten(&self) -> bool {
        !(self.next.is_empty() && self.next_irq.is_empty())
    }

    /// The labels that have not been changed stay as they are.
    pub fn end_rewriting(&self, cpu: &Cpu) {
        let _guard = self.closed.lock();
        self.forget_next(cpu);
    }

    fn forget_next(&self, cpu: &Cpu) {
        self.next.pop_front(cpu);
        self.next_irq.pop_front(cpu);
    }
}

/// What matches, if it is among the first.
fn find<T>(
    mut all: impl Iterator<Item = T>,
    matches: impl FnMut(&T) -> bool,
) -> Result<Option<T>, IpcError> {
    match all.by_ref().take(SEARCHED).find(matches) {
        None if all.next().is_some() => Err(IpcError::RECEIVE_CANCELED),
        found => Ok(found),
    }
}

impl Node<Irq> for QueuedIrq {
    fn links(item: &Irq) -> &Links<Irq> {
        &item.queued
    }
}

struct NextIrq;

impl Node<Irq> for NextIrq {
    fn links(item: &Irq) -> &Links<Irq> {
        &item.next_to_rewrite
    }
}
