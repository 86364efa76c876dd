//! Threads and other CPUs.
//!
//! Only the CPU that a thread is on changes its state. A thread that runs is
//! on its *residence*, the CPU that the scheduler object gave it. An operation
//! that concerns a thread of another CPU is not sent there: the thread that
//! makes it goes there itself ([`visit`]), does it with what both of them are
//! on that CPU then, waits there if it has to, and goes home when it is ready
//! ([`go_home`]). So every operation is one between threads of one CPU.
//!
//! A thread leaves at the very end of a kernel entry ([`depart`]): its state
//! gets another home, and the thread is put into that CPU's inbox. The new
//! home may work with the state at once; the letter only makes it look.
//!
//! Who cannot go anywhere (an interrupt, the end of an object) asks something
//! of a thread on another CPU by a bit in its [`Errands`] and a letter. A
//! letter that comes when its thread has left is sent after it.

use core::sync::atomic::{AtomicU32, Ordering};

use l4_abi::error::IpcError;
use machine::inbox::{Envelope, Inbox, Posted};
use machine::ipi;

use crate::cpu::Cpu;
use crate::ipc::{self, receive};
use crate::kernel::Kernel;
use crate::object::thread::{Deferred, Thread, Waiting};
use crate::object::{Ref, RefSlot};
use crate::scheduling::{self, IdleTime};

/// What a CPU shows to the others.
pub struct Reachable {
    inbox: Inbox<Thread>,
    /// How long it had nothing to do.
    pub idle: IdleTime,
}

impl Reachable {
    /// Nothing asked.
    pub fn new() -> Self {
        Self {
            inbox: Inbox::new(),
            idle: IdleTime::new(),
        }
    }
}

#[cfg(test)]
impl Reachable {
    pub(crate) fn has_letters(&self) -> bool {
        !self.inbox.is_empty()
    }
}

#[cfg(test)]
impl Errands {
    pub(crate) fn is_posted(&self) -> bool {
        self.envelope.is_posted()
    }
}

/// What one CPU asks about a thread on another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Errand {
    /// Its last capability is gone: destroy it.
    Destroy = 1 << 0,
    /// An interrupt's message waits for it, or a message does not any more.
    Mailbox = 1 << 1,
    /// What it waited for has come: the gate is bound, the semaphore raised.
    Granted = 1 << 2,
    /// What it waited for, a gate or a semaphore, is gone.
    Gone = 1 << 3,
    /// The receiver that it waited for is dead.
    ReceiverDied = 1 << 4,
    /// Nobody can answer its call any more.
    CallerLost = 1 << 5,
}

/// In the order in which they are done. A thread that is destroyed does not
/// go on because of another one.
const ERRANDS: [Errand; 6] = [
    Errand::Destroy,
    Errand::Granted,
    Errand::Gone,
    Errand::ReceiverDied,
    Errand::CallerLost,
    Errand::Mailbox,
];

/// What other CPUs ask about a thread.
pub struct Errands {
    asked: AtomicU32,
    /// The thread itself, while it is in an inbox.
    thread: RefSlot<Thread>,
    envelope: Envelope<Thread>,
}

impl Errands {
    /// Nothing asked.
    pub const fn new() -> Self {
        Self {
            asked: AtomicU32::new(0),
            thread: RefSlot::empty(),
            envelope: Envelope::new(),
        }
    }

    /// Notes an errand, of which the thread's CPU is told later ([`tell`]).
    pub fn note(&self, errand: Errand) {
        self.asked.fetch_or(errand as u32, Ordering::AcqRel);
    }

    /// True if the errand is noted and not done.
    pub fn is_noted(&self, errand: Errand) -> bool {
        self.asked.load(Ordering::Acquire) & errand as u32 != 0
    }
}

impl Posted for Thread {
    type Kept = Option<Ref<Thread>>;

    fn envelope(&self) -> &Envelope<Thread> {
        &self.errands.envelope
    }

    fn keep(&self) {
        self.errands.thread.replace(self.counted());
    }

    fn let_go(&self) -> Option<Ref<Thread>> {
        self.errands.thread.replace(None)
    }
}

/// Lets the CPU that `thread` is on look at it.
pub fn tell(kernel: &Kernel, thread: &Thread) {
    let home = thread.home();
    let Some(reachable) = kernel.reachable.get(home as usize) else {
        return;
    };
    if reachable.inbox.post(thread) {
        ipi::send(&kernel.platform, home);
    }
}

/// Asks something about `thread`, which is on another CPU.
pub fn ask(cpu: &Cpu, thread: &Thread, errand: Errand) {
    thread.errands.note(errand);
    tell(cpu.kernel, thread);
}

/// Does an errand about `thread`, or asks the CPU to do it that it is on.
pub fn errand(cpu: &Cpu, thread: &Thread, errand: Errand) {
    if thread.is_here(cpu) {
        perform(cpu, thread, errand);
    } else {
        ask(cpu, thread, errand);
    }
}

/// Somebody who waited to send to `receiver` does not any more: a vCPU is
/// told.
pub fn sender_left(cpu: &Cpu, receiver: &Thread) {
    if receiver.is_here(cpu) {
        receiver.sender_left(cpu);
    } else {
        ask(cpu, receiver, Errand::Mailbox);
    }
}

fn perform(cpu: &Cpu, thread: &Thread, errand: Errand) {
    match errand {
        Errand::Destroy => {
            // It does not run from here on; the rest as for any object.
            thread.kill(cpu);
            if let Some(thread) = thread.counted() {
                cpu.doomed.push(thread.into_any());
                cpu.reschedule.set(true);
            }
        }
        Errand::Mailbox => receive::look_into_mailbox(cpu, thread),
        Errand::Granted => thread.wait_granted(cpu),
        Errand::Gone => ipc::fail_wait(cpu, thread, IpcError::NOT_EXISTENT),
        Errand::ReceiverDied => ipc::fail_wait(cpu, thread, IpcError::SEND_CANCELED),
        Errand::CallerLost => ipc::reply::caller_lost(cpu, thread),
    }
}

/// Lets `thread`, in the middle of an operation, go to CPU `to` and do
/// `next` there.
pub fn visit(cpu: &Cpu, thread: &Thread, to: u32, next: Deferred) {
    // A vCPU that a message was about to enter may be ready.
    scheduling::hold(cpu, thread);
    let state = thread.state(cpu);
    thread.set_waiting(cpu, Waiting::Remote);
    state.deferred.set(next);
    send_off(cpu, thread, to);
}

/// Lets `thread` be on CPU `to`; it is neither ready nor leaving already.
pub fn send_off(cpu: &Cpu, thread: &Thread, to: u32) {
    thread.state(cpu).destination.set(to);
    cpu.departures.push_back(thread);
    cpu.reschedule.set(true);
}

/// `thread` is ready: it goes where it runs.
pub fn go_home(cpu: &Cpu, thread: &Thread) {
    send_off(cpu, thread, thread.residence());
}

/// Lets those leave that have to. This CPU is about to leave the kernel.
pub fn depart(cpu: &mut Cpu) {
    while let Some(thread) = next_departure(cpu) {
        let to = thread.state(cpu).destination.get();
        thread.set_home(cpu, to);
        tell(cpu.kernel, &thread);
    }
}

fn next_departure(cpu: &Cpu) -> Option<Ref<Thread>> {
    let thread = cpu.departures.pop_front(cpu)?;
    scheduling::unload(cpu, thread);
    thread.counted()
}

/// Letters that a CPU reads before other interrupts can come.
const LETTERS: usize = 8;

/// Does what other CPUs asked of this one.
pub fn run_errands(cpu: &Cpu) {
    let Some(own) = cpu.kernel.reachable.get(cpu.id() as usize) else {
        return;
    };
    cpu.in_errands.set(true);
    for _ in 0..LETTERS {
        let Some((thread, _kept)) = own.inbox.take(cpu) else {
            break;
        };
        if thread.is_here(cpu) {
            run(cpu, thread);
        } else {
            tell(cpu.kernel, thread);
        }
    }
    cpu.in_errands.set(false);
    if !own.inbox.is_empty() {
        // The rest after other interrupts.
        ipi::send(&cpu.kernel.platform, cpu.id());
    }
}

/// Looks at a thread that has come, or about which something is asked.
fn run(cpu: &Cpu, thread: &Thread) {
    let asked = thread.errands.asked.swap(0, Ordering::AcqRel);
    for errand in ERRANDS {
        if asked & errand as u32 != 0 {
            perform(cpu, thread, errand);
        }
    }
    if thread.is_departing(cpu) {
        return;
    }
    let state = thread.state(cpu);
    if state.waiting.get() == Waiting::Remote {
        thread.set_waiting(cpu, Waiting::Nothing);
        match state.round.get() {
            0 => ipc::run_deferred(cpu, thread),
            _ => go_round(cpu, thread),
        }
    }
    // Somebody may have queued at a vCPU while it was elsewhere.
    thread.take_upcall(cpu);
    scheduling::arrived(cpu, thread);
    scheduling::make_ready(cpu, thread);
}

/// `thread` has ended threads of the CPUs in `set`, a bit each, and goes on
/// when none of them runs any more: it goes to each of the CPUs, behind the
/// letter that ends the thread.
pub fn wait_for_ends(cpu: &Cpu, thread: &Thread, set: u64) {
    thread.state(cpu).round.set(set);
    go_round(cpu, thread);
}

fn go_round(cpu: &Cpu, thread: &Thread) {
    let state = thread.state(cpu);
    let left = state.round.get() & !(1 << cpu.id());
    state.round.set(left);
    if left == 0 {
        return;
    }
    thread.set_waiting(cpu, Waiting::Remote);
    send_off(cpu, thread, left.trailing_zeros());
}

#[cfg(test)]
mod tests;
