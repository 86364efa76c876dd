//! Who waits to send to a thread: other threads, and interrupts.
//!
//! Senders may be on any CPU. A thread joins on the receiver's CPU, which has
//! found that the receiver does not take the message; an interrupt joins from
//! anywhere, and the receiver's CPU is told. So what the receiver's CPU finds
//! empty stays without threads until it has left the kernel.

use machine::list::{Links, List, Node};
use machine::lock::Lock;

use crate::cpu::Cpu;
use crate::object::irq::{Irq, QueuedIrq};
use crate::object::thread::{Thread, WaitQueue};

/// The senders of one receiver.
pub struct Mailbox {
    threads: WaitQueue,
    /// Interrupts whose message the receiver has not taken yet.
    irqs: List<Irq, QueuedIrq>,
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
            closed: Lock::new(false),
        }
    }

    /// True if nobody waits.
    #[inline]
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
        self.threads.remove(cpu, sender)
    }

    /// Takes the first thread that waits out: whoever does that ends its wait.
    pub fn pop_sender<'cpu>(&self, cpu: &'cpu Cpu) -> Option<&'cpu Thread> {
        let _guard = self.closed.lock();
        self.threads.pop_front(cpu)
    }

    /// True if `sender` waits here.
    pub fn has_sender(&self, sender: &Thread) -> bool {
        let _guard = self.closed.lock();
        self.threads.contains(sender)
    }

    /// The first thread that waits, or the one with this number.
    pub fn sender<'cpu>(&'cpu self, cpu: &'cpu Cpu, id: Option<u64>) -> Option<&'cpu Thread> {
        if self.threads.is_empty() {
            return None;
        }
        let _guard = self.closed.lock();
        self.threads
            .iter(cpu)
            .find(|sender| id.is_none_or(|id| sender.id == id))
    }

    /// The first interrupt that waits, or the one with this number.
    pub fn irq<'cpu>(&'cpu self, cpu: &'cpu Cpu, id: Option<u64>) -> Option<&'cpu Irq> {
        if self.irqs.is_empty() {
            return None;
        }
        let _guard = self.closed.lock();
        self.irqs(cpu).find(|irq| id.is_none_or(|id| irq.id == id))
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
    pub fn remove_irq(&self, irq: &Irq) -> bool {
        let _guard = self.closed.lock();
        self.irqs.remove(irq)
    }

    /// Changes the labels of the messages that wait.
    pub fn rewrite_labels(&self, cpu: &Cpu, rewrite: impl Fn(u64) -> Option<u64>) {
        let _guard = self.closed.lock();
        for sender in self.threads.iter(cpu) {
            if let Some(label) = rewrite(sender.place.label()) {
                sender.place.set_label(label);
            }
        }
        for irq in self.irqs(cpu) {
            irq.rewrite_label(&rewrite);
        }
    }

    /// The threads that wait. Whoever looks keeps others from changing that.
    pub fn senders<'cpu>(&'cpu self, cpu: &'cpu Cpu) -> impl Iterator<Item = &'cpu Thread> {
        self.threads.iter(cpu)
    }

    /// The interrupts that wait, likewise.
    pub fn irqs<'cpu>(&'cpu self, cpu: &'cpu Cpu) -> impl Iterator<Item = &'cpu Irq> {
        self.irqs.iter(cpu)
    }
}

impl Default for Mailbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Node<Irq> for QueuedIrq {
    fn links(item: &Irq) -> &Links<Irq> {
        &item.queued
    }
}

#[cfg(test)]
impl Mailbox {
    pub(crate) fn has_irq(&self, irq: &Irq) -> bool {
        self.irqs.contains(irq)
    }
}
