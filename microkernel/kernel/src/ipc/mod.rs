//! Messages between threads (abi/03): send, transfer, receive, reply.
//!
//! An operation has a send phase, a receive phase, or both. Nothing waits on
//! a stack: a thread that cannot go on keeps its [`Request`] and is on the
//! list of whom it waits for; whoever lets it go on does the rest of the
//! operation in its place ([`finish`]), or leaves it to it for when it runs
//! next ([`Deferred`]).

#[cfg(feature = "fast-paths")]
pub mod fast;
pub mod finish;
#[cfg(any(test, feature = "debugger"))]
mod inspect;
pub mod irq;
mod mailbox;
pub mod receive;
pub mod reply;
mod send;
mod transfer;

use l4_abi::capability::ReplySlot;
use l4_abi::error::IpcError;
use l4_abi::message_tag::MessageTag;
use l4_abi::rights::CapabilityRights;
use l4_abi::timeout::{Expiry, Timeout, TimeoutPair};
use l4_abi::utcb::BUFFERS_OFFSET;

use crate::cpu::Cpu;
use crate::object::thread::{Deferred, Life, Source, Thread, Waiting};

pub use mailbox::Mailbox;
pub use receive::{receive, resume, take_queued};
pub use reply::ReplyPlace;
pub use send::send;

/// An IPC operation.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Of the message to send.
    pub tag: MessageTag,
    /// What the receiver gets as label.
    pub label: u64,
    /// W and S of the capability through which the message goes.
    pub rights: CapabilityRights,
    /// Whose message is wanted afterwards.
    pub receive: Option<Source>,
    /// Where an open wait puts the reply capability.
    pub reply_slot: ReplySlot,
    /// How long each phase may wait.
    pub timeouts: TimeoutPair,
}

impl Request {
    /// A message without rights and label, and no receive phase.
    pub const fn new(tag: MessageTag, timeouts: TimeoutPair) -> Self {
        Self {
            tag,
            label: 0,
            rights: CapabilityRights::empty(),
            receive: None,
            reply_slot: ReplySlot::Implicit,
            timeouts,
        }
    }

    /// True if the operation is a call of the thread `id`.
    pub fn is_call_of(&self, id: u64) -> bool {
        self.receive == Some(Source::Thread(id))
    }
}

/// The time to wait had passed already.
#[derive(Clone, Copy, Debug)]
pub struct TimeIsOver;

/// Lets `thread` wait, until its timeout at most; absolute ones are in its
/// UTCB (abi/01).
pub fn wait(cpu: &Cpu, thread: &Thread, what: Waiting, timeout: Timeout) -> Result<(), TimeIsOver> {
    let now = || cpu.kernel.platform.timer.now();
    let deadline = match timeout.expiry() {
        Expiry::Never => None,
        Expiry::Zero | Expiry::Relative(0) => return Err(TimeIsOver),
        Expiry::Relative(micros) => Some(now().saturating_add(micros)),
        Expiry::Absolute(register) => {
            let at = thread.utcb(cpu).word(BUFFERS_OFFSET / 8 + register);
            Some((at > now()).then_some(at).ok_or(TimeIsOver)?)
        }
    };
    if let Some(deadline) = deadline {
        cpu.timeouts.add(cpu, thread, deadline);
    }
    thread.set_waiting(cpu, what);
    cpu.reschedule.set(true);
    Ok(())
}

/// Ends the wait of `thread` with `error`, unless another CPU has ended it.
pub fn abort(cpu: &Cpu, thread: &Thread, error: IpcError) {
    if thread.stop_waiting(cpu) {
        finish::failed(cpu, thread, error);
        crate::scheduling::make_ready(cpu, thread);
    }
}

/// The wait of `thread`, which is in no queue any more, ends with `error`.
pub fn fail_wait(cpu: &Cpu, thread: &Thread, error: IpcError) {
    let state = thread.state(cpu);
    if state.life.get() == Life::Alive {
        thread.waits_no_more(cpu);
        finish::failed(cpu, thread, error);
        crate::scheduling::make_ready(cpu, thread);
    } else {
        // It was not given the semaphore that it kept to pass on.
        state.semaphore.replace(None);
    }
}

/// Does what `thread`, which is about to run or has come here for that, has
/// put off.
pub fn run_deferred(cpu: &Cpu, thread: &Thread) {
    let state = thread.state(cpu);
    match state.deferred.replace(Deferred::Nothing) {
        Deferred::Nothing => {
            if let Some(stop) = state.stop.take() {
                crate::fault::stop(cpu, thread, stop);
            }
        }
        Deferred::Receive => resume(cpu, thread),
        Deferred::Exception => crate::fault::report_exception(cpu, thread),
        Deferred::Fault => crate::fault::report(cpu, thread),
        Deferred::Syscall => {
            crate::syscall::resume(cpu, thread);
            // Somebody may have come while it had paused.
            thread.take_upcall(cpu);
        }
        Deferred::Gate => crate::syscall::repeat(cpu, thread),
        Deferred::Upcall => thread.take_upcall(cpu),
        Deferred::Entry => thread.begin_entry(cpu, state),
    }
    // What had paused may have come to another end.
    if state.deferred.get() == Deferred::Nothing {
        thread.give_up_operation(cpu);
    }
}

#[cfg(test)]
mod tests;
