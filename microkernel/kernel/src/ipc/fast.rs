//! The fast path: calls, and replies that wait for the next call, between
//! threads on one CPU that need nothing but words copied and the other thread
//! switched to; page faults, and their answers with one page; operations on
//! kernel objects; and a vCPU's way to user mode and back.
//!
//! For messages it does what [`syscall`](crate::syscall) would, in a straight
//! line: first all checks, then all changes. Whatever it does not handle it
//! leaves untouched. It takes no lock, allocates nothing, and never looks at
//! the ready queue: the time slice goes with the message, so who was the most
//! urgent one still is.

use l4_abi::capability::Selector;
use l4_abi::flexpage::Flexpage;
use l4_abi::item::ItemControl;
use l4_abi::message_tag::{MessageTag, TagFlags};
use l4_abi::operation::{Destination, Operation};
use l4_abi::protocol::{self, label};
use l4_abi::rights::CapabilityRights;
use l4_abi::timeout::TimeoutPair;
use l4_abi::utcb::MESSAGE_REGISTERS;
use machine::event::Fault;
use machine::per_cpu::ShortWay;
use machine::utcb::Utcb;

use super::reply;
use crate::capability::Entry;
use crate::cpu::Cpu;
use crate::object::Kind;
use crate::object::ipc_gate::IpcGate;
use crate::object::irq::Irq;
use crate::object::task::{self, Task};
use crate::object::thread::vcpu;
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
    if state.intercepts_syscalls.get() {
        return vcpu::fast::enter(cpu, thread, state);
    }
    let Some(utcb) = state.utcb.get() else {
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
                    let utcb = utcb.get(cpu);
                    return match kind {
                        CALL if is_valid(cpu, state, utcb, &entry, tag) => ShortWay::ToTheEnd,
                        SEND if let Some(irq) = triggered(&entry, utcb, tag) => {
                            trigger(cpu, thread, state, irq)
                        }
                        _ => {
                            let operation = Operation::from_bits_retain(kind);
                            invoke(cpu, thread, entry, operation, tag, timeouts)
                        }
                    };
                }
                Target::Thread(server, label) if kind == CALL && is_plain => {
                    Handover::call(cpu, thread, server, &entry, label)
                }
                _ => None,
            }
        }
        _ if destination == REPLY => match Handover::reply(cpu, thread, state, label, is_plain) {
            Some(handover) => Some(handover),
            None => return answer_fault(cpu, thread, tag, timeouts),
        },
        _ if vcpu::fast::is_resume(destination, tag) => {
            return vcpu::fast::resume(cpu, thread, state, utcb.get(cpu));
        }
        _ => None,
    };
    let Some(handover) = handover else {
        return ShortWay::Nowhere;
    };
    handover.perform(cpu, state, utcb.get(cpu), MessageTag::from_raw(tag));
    ShortWay::ToASyscall
}

/// Tells the pager about the page fault of the current thread, if there is
/// nothing special about the two.
#[inline(always)]
pub fn page_fault(cpu: &Cpu, fault: &Fault) -> bool {
    const TAG: MessageTag = MessageTag::words_only(label::PAGE_FAULT, 2);
    let (Fault::Page { address, bits, .. }, Some(thread)) = (*fault, cpu.current.get(cpu)) else {
        return false;
    };
    let state = thread.state(cpu);
    if !crate::fault::is_for_pager(cpu, thread, fault) {
        return false;
    }
    let Some(entry) = look_up(cpu, thread, state.pager.get()) else {
        return false;
    };
    let Target::Thread(pager, label) = target(cpu, &entry, 0, TAG.raw()) else {
        return false;
    };
    let Some(handover) = Handover::call(cpu, thread, pager, &entry, label) else {
        return false;
    };
    let fault = address & !7 | bits;
    state.purpose.set(Purpose::PageFault(fault));
    handover.utcb.set_word(0, fault);
    handover.utcb.set_word(1, state.context.frame.ip());
    handover.deliver(TAG);
    handover.switch(cpu, state);
    true
}

/// Answers the page fault of the last caller: without items, or with one page
/// that can be mapped at once.
#[inline(never)]
fn answer_fault(cpu: &Cpu, pager: &Thread, tag: u64, timeouts: u64) -> ShortWay {
    const ITEMS: u64 = MessageTag::new(0, 0, 63, TagFlags::empty()).raw();
    let is_special = tag & (MORE_THAN_WORDS & !ITEMS) | u64::from(timeouts as u16) != 0;
    let state = pager.state(cpu);
    let Some(answer) = Handover::back(cpu, pager, state, 0).filter(|_| !is_special) else {
        return ShortWay::Nowhere;
    };
    let tag = MessageTag::from_raw(tag);
    let is_for_here = matches!(answer.state.purpose.get(), Purpose::PageFault(_))
        && tag.label() >= 0
        && !answer.state.vcpu.is_one();
    if !is_for_here || map_item(cpu, pager, answer.thread, tag).is_none() {
        return ShortWay::Nowhere;
    }
    reply::disconnect_implicit(pager, answer.thread);
    answer.state.purpose.set(Purpose::Syscall);
    answer.switch(cpu, state);
    ShortWay::ToTheFrame
}

/// Maps the page that the message has, if it has no more than that. Nothing is
/// done if not.
#[inline(always)]
fn map_item(cpu: &Cpu, from: &Thread, to: &Thread, tag: MessageTag) -> Option<()> {
    let (utcb, at) = (from.utcb(cpu), tag.words());
    match tag.items() {
        0 => Some(()),
        1 if at + 1 < MESSAGE_REGISTERS => task::map_page(
            cpu,
            from.task(cpu)?,
            to.task(cpu)?,
            ItemControl::from_raw(utcb.word(at)),
            Flexpage::from_raw(utcb.word(at + 1)),
        ),
        _ => None,
    }
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
    let protocol = MessageTag::from_raw(tag).label();
    match entry.object.common().kind {
        // It may be for the kernel.
        Kind::IpcGate if protocol == label::KERNEL_OBJECT => Target::Other,
        Kind::IpcGate => {
            let gate = entry.object.downcast::<IpcGate>();
            match gate.and_then(|gate| gate.target(cpu)) {
                Some((thread, label)) => {
                    let rights = entry.rights.intersection(CapabilityRights::INVOCATION);
                    Target::Thread(thread, label | u64::from(rights.bits()))
                }
                None => Target::Other,
            }
        }
        Kind::Thread if protocol != label::THREAD => match entry.object.downcast() {
            Some(thread) => Target::Thread(thread, label),
            None => Target::Other,
        },
        _ => Target::Kernel,
    }
}

/// Answers whether a task has a capability, if that is what is asked.
#[inline(always)]
fn is_valid(cpu: &Cpu, state: &ThreadState, utcb: &Utcb, entry: &Entry<'_>, tag: u64) -> bool {
    const QUESTION: MessageTag = MessageTag::words_only(label::TASK, 2);
    if tag != QUESTION.raw() || utcb.word(0) != protocol::task::Opcode::CapabilityInfo.word() {
        return false;
    }
    let Some(task) = entry.object.downcast::<Task>() else {
        return false;
    };
    let selector = Selector::from_raw(utcb.word(1));
    let answer = i64::from(task.look_up(cpu, selector).is_some());
    let tag = MessageTag::label_only(answer);
    state.context.frame.set_tag(tag.raw());
    true
}

/// The interrupt that is to be triggered, if that is what is asked.
#[inline(always)]
fn triggered<'cpu>(entry: &Entry<'cpu>, utcb: &Utcb, tag: u64) -> Option<&'cpu Irq> {
    const WITHOUT_WORDS: MessageTag = MessageTag::words_only(label::IRQ, 0);
    const WITH_OPCODE: MessageTag = MessageTag::words_only(label::IRQ, 1);
    let is_asked = tag == WITHOUT_WORDS.raw()
        || tag == WITH_OPCODE.raw() && utcb.word(0) == protocol::irq::Opcode::Trigger.word();
    entry.object.downcast().filter(|_| is_asked)
}

/// Triggers an interrupt. Who has waited for it goes on at once, if it is more
/// urgent than all others.
#[inline(always)]
fn trigger(cpu: &Cpu, thread: &Thread, state: &ThreadState, irq: &Irq) -> ShortWay {
    let goes_on = irq.trigger(cpu).is_some_and(|receiver| {
        let goes_on = scheduling::preempt(cpu, thread, state, receiver);
        if !goes_on {
            scheduling::make_ready(cpu, receiver);
        }
        goes_on
    });
    match end_of(cpu) {
        ShortWay::ToTheEnd if goes_on => ShortWay::ToASyscall,
        end => end,
    }
}

/// Has the kernel perform an operation on an object.
#[inline(never)]
fn invoke(
    cpu: &Cpu,
    thread: &Thread,
    entry: Entry<'_>,
    operation: Operation,
    tag: u64,
    timeouts: u64,
) -> ShortWay {
    crate::syscall::invoke_short(
        cpu,
        thread,
        entry.object,
        entry.rights.intersection(CapabilityRights::INVOCATION),
        operation,
        MessageTag::from_raw(tag),
        TimeoutPair::from_raw(timeouts as u32),
    );
    // It may have changed its own registers, or go on in another task.
    let concerns_itself = entry.object.common().kind == Kind::Thread
        && (entry.object.downcast()).is_some_and(|object| core::ptr::eq::<Thread>(object, thread));
    if concerns_itself || !cpu.current.is(thread) {
        ShortWay::ToTheExit
    } else {
        end_of(cpu)
    }
}

/// What follows an operation after which the loaded thread goes on.
#[inline]
fn end_of(cpu: &Cpu) -> ShortWay {
    if cpu.reschedule.get() || !cpu.kernel.reaper.is_empty() {
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

    /// Of an answer to the last caller, by a server that waits for anybody then.
    /// The caller is forgotten.
    #[inline(always)]
    fn reply(
        cpu: &'cpu Cpu,
        server: &'cpu Thread,
        state: &ThreadState,
        label: u64,
        is_plain: bool,
    ) -> Option<Self> {
        if !is_plain {
            return None;
        }
        let handover = Self::back(cpu, server, state, label)?;
        if !matches!(handover.state.purpose.get(), Purpose::Syscall) {
            return None;
        }
        reply::disconnect_implicit(server, handover.thread);
        Some(handover)
    }

    /// To the last caller, if the server has run on its time slice.
    #[inline(always)]
    fn back(cpu: &'cpu Cpu, server: &'cpu Thread, state: &ThreadState, label: u64) -> Option<Self> {
        let caller = server.reply.caller(cpu)?;
        let waiting = Waiting::Receive(Source::Anyone);
        let handover = Self::to(cpu, caller, label, waiting)?;
        let goes_back = reply::waits_implicitly(state)
            && !cpu.budget.is_of(server)
            && server.mailbox.is_empty();
        goes_back.then_some(handover)
    }

    /// Copies the message, and switches.
    #[inline(always)]
    fn perform(&self, cpu: &Cpu, from: &ThreadState, utcb: &Utcb, tag: MessageTag) {
        self.utcb.copy_words(utcb, tag.words());
        self.deliver(tag);
        self.switch(cpu, from);
    }

    /// Tells the receiver about the message.
    #[inline(always)]
    fn deliver(&self, tag: MessageTag) {
        self.state.context.frame.set_tag(tag.raw());
        self.state.context.frame.set_label(self.label);
    }

    #[inline(always)]
    fn switch(&self, cpu: &Cpu, from: &ThreadState) {
        let to = self.state;
        to.waiting.set(Waiting::Nothing);
        from.waiting.set(self.waiting);
        scheduling::switch_to(cpu, from, self.thread, to);
    }
}
