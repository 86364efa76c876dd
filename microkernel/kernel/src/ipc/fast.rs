//! The fast path: calls, and replies that wait for the next call, between
//! threads on one CPU that need nothing but words copied and the other thread
//! switched to.
//!
//! It does what [`syscall`](crate::syscall) would, in a straight line: first
//! all checks, then all changes. Whatever it does not handle it leaves
//! untouched. It takes no lock, allocates nothing, and never looks at the
//! ready queue: the time slice goes with the message, so who was the most
//! urgent one still is.

use l4_abi::capability::Selector;
use l4_abi::message_tag::{MessageTag, TagFlags};
use l4_abi::operation::{Destination, Operation};
use l4_abi::protocol::label;
use l4_abi::rights::CapabilityRights;
use l4_abi::timeout::{Timeout, TimeoutPair};
use machine::utcb::Utcb;

use super::reply;
use crate::cpu::Cpu;
use crate::object::ipc_gate::IpcGate;
use crate::object::thread::{Purpose, Source, Thread, ThreadState, Waiting};
use crate::scheduling;

/// Performs the system call with these registers of the current thread. False
/// if that is not for here; then nothing has happened.
#[inline]
pub fn syscall(cpu: &Cpu, label: u64, destination: u64, tag: u64, timeouts: u64) -> bool {
    const REPLY: Destination = Destination::new(Selector::INVALID, Operation::REPLY_AND_WAIT);
    const SPECIAL: u64 = Selector::INVALID_BIT | Selector::REPLY_BIT;
    let tag = MessageTag::from_raw(tag);
    let destination = Destination::from_raw(destination);
    let receive = TimeoutPair::from_raw(timeouts as u32).receive();
    if !is_plain(tag) || receive != Timeout::NEVER {
        return false;
    }
    let Some(thread) = cpu.current.get(cpu) else {
        return false;
    };
    let state = thread.state(cpu);
    let Some(utcb) = state
        .utcb
        .get()
        .filter(|_| !state.intercepts_syscalls.get())
    else {
        return false;
    };
    let message = Message {
        cpu,
        sender: thread,
        state,
        utcb: utcb.get(cpu),
        tag,
        label,
    };
    if destination == REPLY {
        message.reply_and_wait()
    } else if destination.raw() & (SPECIAL | 0xf) == Operation::CALL.bits() {
        message.call(destination.selector().index())
    } else {
        false
    }
}

/// True for a message of words only, that donates.
#[inline]
fn is_plain(tag: MessageTag) -> bool {
    tag.items() == 0 && tag.flags().difference(TagFlags::PROPAGATE).is_empty()
}

/// A message of the current thread.
struct Message<'cpu> {
    cpu: &'cpu Cpu,
    sender: &'cpu Thread,
    state: &'cpu ThreadState,
    utcb: &'cpu Utcb,
    tag: MessageTag,
    label: u64,
}

impl<'cpu> Message<'cpu> {
    /// Calls the thread that capability `index` leads to, which waits for
    /// anybody.
    #[inline(always)]
    fn call(&self, index: u64) -> bool {
        let cpu = self.cpu;
        let Some(entry) = self
            .sender
            .task(cpu)
            .and_then(|task| task.capabilities.lookup(cpu, index))
        else {
            return false;
        };
        let rights = entry.rights.intersection(CapabilityRights::INVOCATION);
        // A message of some protocols may be for the kernel.
        let (server, label, not_ours) = if let Some(gate) = entry.object.downcast::<IpcGate>() {
            let Some((server, label)) = gate.target(cpu) else {
                return false;
            };
            let label = label | u64::from(rights.bits());
            (server, label, label::KERNEL_OBJECT)
        } else if let Some(server) = entry.object.downcast::<Thread>() {
            (server, self.label, label::THREAD)
        } else {
            return false;
        };
        let Some(receiver) = Receiver::new(cpu, server) else {
            return false;
        };
        if self.tag.label() == not_ours
            || receiver.state.waiting.get() != Waiting::Receive(Source::Anyone)
            || !reply::can_connect(server, receiver.state)
        {
            return false;
        }
        reply::connect_implicit(server, self.sender, rights);
        self.hand_over(
            &receiver,
            label,
            Waiting::Receive(Source::Thread(server.id)),
        )
    }

    /// Answers the last caller and waits for anybody, on the caller's time
    /// slice.
    #[inline(always)]
    fn reply_and_wait(&self) -> bool {
        let cpu = self.cpu;
        let Some(caller) = self.sender.reply.caller(cpu) else {
            return false;
        };
        let Some(receiver) = Receiver::new(cpu, caller) else {
            return false;
        };
        if !matches!(receiver.state.purpose.get(), Purpose::Syscall)
            || !reply::waits_implicitly(self.state)
            || cpu.budget.is_of(self.sender)
            || !self.sender.mailbox.is_empty()
        {
            return false;
        }
        reply::disconnect_implicit(self.sender, caller);
        self.hand_over(&receiver, self.label, Waiting::Receive(Source::Anyone))
    }

    /// Copies the message to `receiver`, which runs in place of the sender,
    /// while that waits.
    #[inline(always)]
    fn hand_over(&self, receiver: &Receiver<'_>, label: u64, waiting: Waiting) -> bool {
        let to = receiver.state;
        receiver.utcb.copy_words(self.utcb, self.tag.words());
        to.context.frame.set_tag(self.tag.raw());
        to.context.frame.set_label(label);
        to.waiting.set(Waiting::Nothing);
        self.state.waiting.set(waiting);
        scheduling::switch_to(self.cpu, self.state, receiver.thread, to);
        true
    }
}

/// A thread on this CPU that goes on in user mode as soon as its wait is over.
struct Receiver<'cpu> {
    thread: &'cpu Thread,
    state: &'cpu ThreadState,
    utcb: &'cpu Utcb,
}

impl<'cpu> Receiver<'cpu> {
    /// `thread`, if it is one.
    #[inline(always)]
    fn new(cpu: &'cpu Cpu, thread: &'cpu Thread) -> Option<Self> {
        let state = thread.local_state(cpu)?;
        let utcb = state.utcb.get()?;
        let plain = thread.lives_here(cpu)
            && state.stop.get().is_none()
            && !thread.timeout_links().is_linked();
        plain.then_some(Self {
            thread,
            state,
            utcb: utcb.get(cpu),
        })
    }
}
