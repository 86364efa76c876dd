//! The fast path: calls, and replies that wait for the next call, between
//! threads on one CPU that need nothing but words copied and the other thread
//! switched to; and operations on kernel objects.
//!
//! For messages it does what [`syscall`](crate::syscall) would, in a straight
//! line: first all checks, then all changes. Whatever it does not handle it
//! leaves untouched. It takes no lock, allocates nothing, and never looks at
//! the ready queue: the time slice goes with the message, so who was the most
//! urgent one still is.

use l4_abi::capability::Selector;
use l4_abi::message_tag::{MessageTag, TagFlags};
use l4_abi::operation::{Destination, Operation};
use l4_abi::protocol::label;
use l4_abi::rights::CapabilityRights;
use l4_abi::timeout::TimeoutPair;
use machine::per_cpu::ShortWay;
use machine::utcb::Utcb;

use super::{Request, reply};
use crate::capability::Entry;
use crate::cpu::Cpu;
use crate::object::Kind;
use crate::object::ipc_gate::IpcGate;
use crate::object::thread::{Purpose, Source, Thread, ThreadState, Waiting};
use crate::scheduling;

/// What a message for the fast path does not have in its tag: typed items, and
/// flags that matter.
const MORE_THAN_WORDS: u64 = MessageTag::new(
    0,
    0,
    63,
    TagFlags::TRANSFER_FPU
        .union(TagFlags::SCHEDULE)
        .union(TagFlags::ERROR),
)
.raw();

/// Performs the system call with these registers of the current thread, or as
/// much of it as is for here.
#[inline(always)]
pub fn syscall(cpu: &Cpu, label: u64, destination: u64, tag: u64, timeouts: u64) -> ShortWay {
    const REPLY: u64 = Destination::new(Selector::INVALID, Operation::REPLY_AND_WAIT).raw();
    const SPECIAL: u64 = Selector::INVALID_BIT | Selector::REPLY_BIT;
    const CALL: u64 = Operation::CALL.bits();
    const SEND: u64 = Operation::SEND.bits();
    let Some(thread) = cpu.current.get(cpu) else {
        return ShortWay::Nowhere;
    };
    let state = thread.state(cpu);
    let utcb = state.utcb.get();
    let Some(utcb) = utcb.filter(|_| !state.intercepts_syscalls.get()) else {
        return ShortWay::Nowhere;
    };
    // Words only, and the sender waits for as long as it takes.
    let is_plain = tag & MORE_THAN_WORDS | u64::from(timeouts as u16) == 0;
    let handover = match destination & (SPECIAL | Operation::all().bits()) {
        kind @ (CALL | SEND) => {
            let index = Destination::from_raw(destination).selector().index();
            let Some(entry) = look_up(cpu, thread, index) else {
                return ShortWay::Nowhere;
            };
            match target(cpu, &entry, label, tag) {
                Target::Kernel => {
                    let operation = Operation::from_bits_retain(kind);
                    return invoke(cpu, thread, entry, operation, label, tag, timeouts);
                }
                Target::Thread(server, label) if kind == CALL && is_plain => {
                    Handover::call(cpu, thread, server, &entry, label)
                }
                _ => None,
            }
        }
        _ if destination == REPLY && is_plain => Handover::reply(cpu, thread, state, label),
        _ => None,
    };
    let Some(handover) = handover else {
        return ShortWay::Nowhere;
    };
    handover.perform(cpu, state, utcb.get(cpu), MessageTag::from_raw(tag));
    ShortWay::ToTheEnd
}

#[inline(always)]
fn look_up<'cpu>(cpu: &'cpu Cpu, thread: &'cpu Thread, index: u64) -> Option<Entry<'cpu>> {
    thread.task(cpu)?.capabilities.lookup(cpu, index)
}

/// Who takes a message.
enum Target<'cpu> {
    /// The kernel, for the object.
    Kernel,
    /// This thread, with this label.
    Thread(&'cpu Thread, u64),
    /// Not for here.
    Other,
}

#[inline(always)]
fn target<'cpu>(cpu: &'cpu Cpu, entry: &Entry<'cpu>, label: u64, tag: u64) -> Target<'cpu> {
    // A message of some protocols may be for the kernel.
    let (target, not_ours) = if let Some(gate) = entry.object.downcast::<IpcGate>() {
        let rights = entry.rights.intersection(CapabilityRights::INVOCATION);
        match gate.target(cpu) {
            Some((thread, label)) => {
                let label = label | u64::from(rights.bits());
                (Target::Thread(thread, label), label::KERNEL_OBJECT)
            }
            None => return Target::Other,
        }
    } else if let Some(thread) = entry.object.downcast::<Thread>() {
        (Target::Thread(thread, label), label::THREAD)
    } else {
        return Target::Kernel;
    };
    if MessageTag::from_raw(tag).label() == not_ours {
        return Target::Other;
    }
    target
}

/// Has the kernel perform an operation on an object that does not look at the
/// caller's registers, nor change them but for the result.
#[inline(never)]
fn invoke(
    cpu: &Cpu,
    thread: &Thread,
    entry: Entry<'_>,
    operation: Operation,
    label: u64,
    tag: u64,
    timeouts: u64,
) -> ShortWay {
    match entry.object.common().kind {
        Kind::Task | Kind::Factory | Kind::Irq | Kind::Scheduler => {}
        _ => return ShortWay::Nowhere,
    }
    let request = Request {
        label,
        rights: entry.rights.intersection(CapabilityRights::INVOCATION),
        ..Request::new(
            MessageTag::from_raw(tag),
            TimeoutPair::from_raw(timeouts as u32),
        )
    };
    crate::syscall::invoke_short(cpu, thread, entry.object, operation, request);
    if cpu.reschedule.get() || !cpu.current.is(thread) || !cpu.kernel.reaper.is_empty() {
        ShortWay::ToTheExit
    } else {
        ShortWay::ToTheEnd
    }
}

/// Who goes on in user mode, in place of the current thread, with its message.
struct Handover<'cpu> {
    thread: &'cpu Thread,
    state: &'cpu ThreadState,
    utcb: &'cpu Utcb,
    /// That it receives.
    label: u64,
    /// What the sender waits for.
    waiting: Waiting,
}

impl<'cpu> Handover<'cpu> {
    /// To `thread`, if it has nothing to do when its wait is over but to go on.
    #[inline(always)]
    fn to(cpu: &'cpu Cpu, thread: &'cpu Thread, label: u64, waiting: Waiting) -> Option<Self> {
        let state = thread.local_state(cpu)?;
        let utcb = state.utcb.get()?.get(cpu);
        let goes_on = thread.lives_here(cpu)
            && state.stop.get().is_none()
            && !thread.timeout_links().is_linked();
        goes_on.then_some(Self {
            thread,
            state,
            utcb,
            label,
            waiting,
        })
    }

    /// Of a call to `server`, if that waits for anybody. It knows the caller
    /// from here on.
    #[inline(always)]
    fn call(
        cpu: &'cpu Cpu,
        caller: &Thread,
        server: &'cpu Thread,
        entry: &Entry<'_>,
        label: u64,
    ) -> Option<Self> {
        let waiting = Waiting::Receive(Source::Thread(server.id));
        let handover = Self::to(cpu, server, label, waiting)?;
        let state = handover.state;
        if state.waiting.get() != Waiting::Receive(Source::Anyone)
            || !reply::can_connect(server, state)
        {
            return None;
        }
        let rights = entry.rights.intersection(CapabilityRights::INVOCATION);
        reply::connect_implicit(server, caller, rights);
        Some(handover)
    }

    /// Of an answer to the last caller, by a server that waits for anybody then
    /// and has run on the caller's time slice. The caller is forgotten.
    #[inline(always)]
    fn reply(
        cpu: &'cpu Cpu,
        server: &'cpu Thread,
        state: &ThreadState,
        label: u64,
    ) -> Option<Self> {
        let caller = server.reply.caller(cpu)?;
        let waiting = Waiting::Receive(Source::Anyone);
        let handover = Self::to(cpu, caller, label, waiting)?;
        if !matches!(handover.state.purpose.get(), Purpose::Syscall)
            || !reply::waits_implicitly(state)
            || cpu.budget.is_of(server)
            || !server.mailbox.is_empty()
        {
            return None;
        }
        reply::disconnect_implicit(server, caller);
        Some(handover)
    }

    /// Copies the message, and switches.
    #[inline(always)]
    fn perform(&self, cpu: &Cpu, from: &ThreadState, utcb: &Utcb, tag: MessageTag) {
        let to = self.state;
        self.utcb.copy_words(utcb, tag.words());
        to.context.frame.set_tag(tag.raw());
        to.context.frame.set_label(self.label);
        to.waiting.set(Waiting::Nothing);
        from.waiting.set(self.waiting);
        scheduling::switch_to(cpu, from, self.thread, to);
    }
}
