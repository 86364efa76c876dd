//! What one CPU asks of another (design: home CPUs).
//!
//! Only its home CPU changes a thread's state. Another CPU that wants
//! something of the thread writes that into the thread's [`Errands`], posts
//! the thread into the home CPU's inbox, and interrupts that CPU if it was not
//! told already. The node is in the thread, so asking takes no memory, and it
//! keeps the thread until the errands are done.
//!
//! So far there is one errand, and one CPU that runs; the second is the test's.

use core::sync::atomic::{AtomicU32, Ordering};

use machine::inbox::{Delivery, Envelope, Inbox};
use machine::ipi;

use crate::cpu::Cpu;
use crate::object::thread::Thread;
use crate::object::{Header, Ref, RefSlot};

/// What a CPU shows to the others.
pub struct Reachable {
    inbox: Inbox<Thread>,
}

impl Reachable {
    /// Nothing asked.
    pub fn new() -> Self {
        Self {
            inbox: Inbox::new(),
        }
    }
}

impl Default for Reachable {
    fn default() -> Self {
        Self::new()
    }
}

/// Destroy the thread: its last capability is gone.
const DESTROY: u32 = 1 << 0;

/// What other CPUs ask of a thread's home CPU.
pub struct Errands {
    asked: AtomicU32,
    /// The thread itself, while it is in an inbox.
    thread: RefSlot<Thread>,
    /// The thread's place in the inbox.
    pub envelope: Envelope<Thread>,
}

impl Errands {
    /// Nothing asked.
    pub fn new() -> Self {
        Self {
            asked: AtomicU32::new(0),
            thread: RefSlot::empty(),
            envelope: Envelope::new(),
        }
    }
}

impl Default for Errands {
    fn default() -> Self {
        Self::new()
    }
}

/// Lets the home CPU of `thread`, which is another one, destroy it.
pub fn destroy(cpu: &Cpu, header: &Header, thread: &Thread) {
    thread.errands.thread.replace(Ref::from_header(header));
    thread.errands.asked.fetch_or(DESTROY, Ordering::AcqRel);
    let home = thread.home();
    let Some(reachable) = cpu.kernel.reachable.get(home as usize) else {
        return;
    };
    if reachable.inbox.post(thread) == Delivery::First {
        ipi::send(&cpu.kernel.platform, home);
    }
}

/// Does what other CPUs asked of this one.
pub fn run_errands(cpu: &Cpu) {
    let Some(own) = cpu.kernel.reachable.get(cpu.id() as usize) else {
        return;
    };
    for thread in own.inbox.take(cpu) {
        let kept = thread.errands.thread.replace(None);
        if thread.errands.asked.swap(0, Ordering::AcqRel) & DESTROY != 0 {
            thread.destroy(cpu);
        }
        drop(kept);
    }
}

#[cfg(test)]
mod tests;
