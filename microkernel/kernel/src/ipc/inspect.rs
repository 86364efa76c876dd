//! Looking at who waits to send, for the kernel debugger. Whoever looks keeps others from changing
//! that.

use super::Mailbox;
use crate::cpu::Cpu;
use crate::object::irq::Irq;
use crate::object::thread::Thread;

impl Mailbox {
    /// The threads that wait.
    pub fn senders<'cpu>(&'cpu self, cpu: &'cpu Cpu) -> impl Iterator<Item = &'cpu Thread> {
        self.threads.iter(cpu)
    }

    /// The interrupts that wait.
    pub fn irqs<'cpu>(&'cpu self, cpu: &'cpu Cpu) -> impl Iterator<Item = &'cpu Irq> {
        self.irqs.iter(cpu)
    }
}
