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

use core::hint::cold_path;
use core::sync::atomic::Ordering::Relaxed;

use l4_abi::capability::{OBJECT_SPACE_SLOTS, Selector};
use l4_abi::flexpage::Flexpage;
use l4_abi::item::ItemControl;
use l4_abi::message_tag::{MessageTag, TagFlags};
use l4_abi::operation::{Destination, Operation};
use l4_abi::protocol::{self, label};
use l4_abi::rights::CapabilityRights;
use l4_abi::timeout::{Timeout, TimeoutPair};
use l4_abi::utcb::MESSAGE_REGISTERS;
use machine::event::Fault;
use machine::lock::Guard;
use machine::object::pair;
use machine::per_cpu::ShortWay;
use machine::utcb::Utcb;

use super::{Request, finish};
use crate::capability::Entry;
use crate::cpu::Cpu;
use crate::object::Kind;
use crate::object::ipc_gate::IpcGate;
use crate::object::irq::{Irq, State};
use crate::object::task::{self, Task};
use crate::object::thread::standing::{self, Standing};
use crate::object::thread::{LocalState, Purpose, Source, Thread, ThreadState, Waiting, vcpu};
use crate::scheduling::fast as scheduling;
use crate::syscall::{Caller, PARTNER, perform, receive_from};

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

/// What in a destination is neither an index nor ignored.
const ANY: u64 = Selector::INVALID_BIT | Selector::REPLY_BIT | Operation::all().bits();
/// The same, and what no index of a slot has.
const REST: u64 = ANY | !(OBJECT_SPACE_SLOTS - 1) << Selector::SHIFT;

/// Performs the system call with these registers of the current thread, or as
/// much of it as is for here.
#[inline(always)]
pub fn syscall(cpu: &Cpu, label: u64, destination: u64, tag: u64, timeouts: u64) -> ShortWay {
    const REPLY: u64 = Destination::new(Selector::INVALID, Operation::REPLY_AND_WAIT).raw();
    const CALL: u64 = Operation::CALL.bits();
    let Some(thread) = cpu.current.get(cpu) else {
        return ShortWay::Nowhere;
    };
    let Some(state) = thread.stands(cpu, Standing::Plain) else {
        return vcpu::user_task::enter(cpu, thread);
    };
    let from = Sender { thread, state };
    // Words only, and the sender waits for as long as it takes.
    let is_plain = || tag & MORE_THAN_WORDS | u64::from(timeouts as u16) == 0;
    let led = if destination == REPLY {
        match reply(cpu, from, label, tag, is_plain()) {
            Some(done) => Some(done),
            None => return answer_fault(cpu, thread, tag, timeouts),
        }
    } else if destination.wrapping_sub(CALL) & REST == 0 {
        let Some((task, entry)) = look_up(cpu, thread, destination) else {
            return ShortWay::Nowhere;
        };
        match target(cpu, &entry, label, tag) {
            Target::Thread(server, label) if is_plain() => {
                call(cpu, from, server, &entry, label, tag)
            }
            Target::Kernel => {
                return invoke(cpu, from, task, entry, Operation::CALL, tag, timeouts);
            }
            _ => None,
        }
    } else {
        return others(cpu, from, label, destination, tag, timeouts);
    };
    match led {
        Some(Done) => ShortWay::ToASyscall,
        None => ShortWay::Nowhere,
    }
}

/// The system calls that are neither calls nor replies.
#[inline(always)]
fn others(
    cpu: &Cpu,
    current: Sender<'_>,
    label: u64,
    destination: u64,
    tag: u64,
    timeouts: u64,
) -> ShortWay {
    const WAIT: u64 = Destination::new(Selector::INVALID, Operation::WAIT).raw();
    const SLEEP: u64 = Destination::new(Selector::INVALID, Operation::RECEIVE).raw();
    const SEND: u64 = Operation::SEND.bits();
    const RECEIVE: u64 = Operation::RECEIVE.bits();
    cold_path();
    let Sender { thread, state } = current;
    let is_for_thread = || MessageTag::from_raw(tag).label() == label::THREAD;
    if destination == WAIT && !is_for_thread() {
        return wait(cpu, current, None, timeouts);
    }
    let partner = match destination & ANY {
        SEND => {
            let Some((task, entry)) = look_up(cpu, thread, destination) else {
                return ShortWay::Nowhere;
            };
            if let Some(irq) = triggered(cpu, &state, &entry, tag) {
                return trigger(cpu, current, irq);
            }
            return match target(cpu, &entry, label, tag) {
                Target::Kernel => invoke(cpu, current, task, entry, Operation::SEND, tag, timeouts),
                _ => ShortWay::Nowhere,
            };
        }
        RECEIVE => {
            let found = look_up(cpu, thread, destination);
            match found.map(|(_, entry)| target(cpu, &entry, label, tag)) {
                Some(Target::Thread(partner, _)) => partner,
                _ => return ShortWay::Nowhere,
            }
        }
        _ if destination == SLEEP && !is_for_thread() => thread,
        _ => return ShortWay::Nowhere,
    };
    wait(cpu, current, Some(partner), timeouts)
}

/// The current thread.
#[derive(Clone, Copy)]
struct Sender<'cpu> {
    thread: &'cpu Thread,
    state: LocalState<'cpu>,
}

/// A message has been brought, and its receiver is the current thread.
struct Done;

/// Calls `server`, if that waits for anybody. It knows the caller from then on.
#[inline(always)]
fn call(
    cpu: &Cpu,
    caller: Sender<'_>,
    server: &Thread,
    entry: &Entry<'_>,
    label: u64,
    tag: u64,
) -> Option<Done> {
    let to = server.stands(cpu, Standing::Open)?;
    connect(caller, server, entry);
    let utcb = caller.state.utcb.get().get(cpu);
    copy(cpu, utcb, to, label, MessageTag::from_raw(tag));
    caller.waits(
        cpu,
        Waiting::Receive(Source::Thread(server.id)),
        Standing::Calling,
    );
    caller.switch_to(cpu, server, to)
}

/// [`reply::connect`] for a server that [can do so](standing::can_connect). Both
/// threads are on this CPU, so nobody else touches the implicit place or the caller.
#[inline(always)]
fn connect(caller: Sender<'_>, server: &Thread, entry: &Entry<'_>) {
    let rights = entry.rights.intersection(CapabilityRights::INVOCATION);
    caller.thread.answer_rights.store(rights.bits(), Relaxed);
    pair::join_here(&server.reply, caller.thread);
}

/// Answers the last caller of a server that waits for anybody then. The caller
/// is forgotten.
#[inline(always)]
fn reply(cpu: &Cpu, server: Sender<'_>, label: u64, tag: u64, is_plain: bool) -> Option<Done> {
    if !is_plain {
        return None;
    }
    let caller = server.thread.reply.caller(cpu)?;
    let to = caller.stands(cpu, Standing::Calling)?;
    if !server.can_go_back(cpu) {
        return None;
    }
    pair::part_here(&server.thread.reply, caller);
    let utcb = server.state.utcb.get().get(cpu);
    copy(cpu, utcb, to, label, MessageTag::from_raw(tag));
    server.waits(cpu, Waiting::Receive(Source::Anyone), Standing::Open);
    server.switch_to(cpu, caller, to)
}

/// Copies the message, and tells the receiver about it.
#[inline(always)]
fn copy(cpu: &Cpu, from: &Utcb, to: LocalState<'_>, label: u64, tag: MessageTag) {
    to.utcb.get().get(cpu).copy_words(from, tag.words());
    to.context.frame.set_tag(tag.raw());
    to.context.frame.set_label(label);
}

impl Sender<'_> {
    /// Whether a server can go back to its last caller: it runs on the caller's
    /// time slice, nobody else waits for it, and it will wait in the same way.
    #[inline(always)]
    fn can_go_back(self, cpu: &Cpu) -> bool {
        standing::waits_implicitly(&self.state)
            && !cpu.budget.is_of(self.thread)
            && self.thread.mailbox.is_empty()
    }

    #[inline(always)]
    fn waits(self, cpu: &Cpu, waiting: Waiting, standing: Standing) {
        self.state.waiting.set(waiting);
        standing::set(cpu, self.state, standing);
    }

    #[inline(always)]
    fn switch_to(self, cpu: &Cpu, receiver: &Thread, to: LocalState<'_>) -> Option<Done> {
        to.waiting.set(Waiting::Nothing);
        standing::set(cpu, to, Standing::Plain);
        scheduling::switch_to(cpu, self.thread, &self.state, receiver, &to);
        Some(Done)
    }
}

/// Waits for as long as it takes for a message of `partner`, or of anybody, if
/// none is there; the next thread in turn goes on. Who waits for itself sleeps.
#[inline(always)]
fn wait(
    cpu: &Cpu,
    Sender {
        thread: receiver,
        state,
    }: Sender<'_>,
    partner: Option<&Thread>,
    timeouts: u64,
) -> ShortWay {
    let timeout = TimeoutPair::from_raw(timeouts as u32).receive();
    // A reply slot that it named before would have to be forgotten.
    let is_plain = partner.is_some() || standing::waits_implicitly(&state);
    if timeout != Timeout::NEVER || !is_plain || !receiver.mailbox.is_empty() {
        return ShortWay::Nowhere;
    }
    let Some((next, to)) = scheduling::next(cpu, 0) else {
        return ShortWay::Nowhere;
    };
    let source = partner.map_or(Source::Anyone, |partner| Source::Thread(partner.id));
    state.waiting.set(Waiting::Receive(source));
    // Who waits for one thread has not called it: it stands as before.
    if partner.is_none() && standing::can_connect(receiver, &state) {
        standing::set(cpu, state, Standing::Open);
    }
    scheduling::switch_to(cpu, receiver, &state, next, &to);
    vcpu::fast::go_on(cpu, &to)
}

/// Tells the pager about the page fault of the current thread, if there is
/// nothing special about the two.
#[inline(always)]
pub fn page_fault(cpu: &Cpu, fault: &Fault) -> bool {
    page_fault_of(cpu, fault).is_some()
}

#[inline(always)]
fn page_fault_of(cpu: &Cpu, fault: &Fault) -> Option<Done> {
    const TAG: MessageTag = MessageTag::words_only(label::PAGE_FAULT, 2);
    let (Fault::Page { address, bits, .. }, Some(thread)) = (*fault, cpu.current.get(cpu)) else {
        return None;
    };
    let state = thread.stands(cpu, Standing::Plain)?;
    if !is_for_pager(cpu, thread, fault) {
        return None;
    }
    let entry = thread
        .task(cpu)?
        .capabilities
        .lookup(cpu, state.pager.get())?;
    let Target::Thread(pager, label) = target(cpu, &entry, 0, TAG.raw()) else {
        return None;
    };
    let to = pager.stands(cpu, Standing::Open)?;
    let caller = Sender { thread, state };
    connect(caller, pager, &entry);
    let fault = address & !7 | bits;
    state.purpose.set(Purpose::PageFault(fault));
    let utcb = to.utcb.get().get(cpu);
    utcb.set_word(0, fault);
    utcb.set_word(1, state.context.frame.ip());
    to.context.frame.set_tag(TAG.raw());
    to.context.frame.set_label(label);
    caller.waits(
        cpu,
        Waiting::Receive(Source::Thread(pager.id)),
        Standing::Faulted,
    );
    caller.switch_to(cpu, pager, to)
}

/// Whether the page fault of `thread`, the current one, is for its pager and
/// for nobody else before that.
fn is_for_pager(cpu: &Cpu, thread: &Thread, fault: &Fault) -> bool {
    let state = thread.state(cpu);
    let is_physical = |task: &Task| task.memory.is_physical();
    matches!(
        *fault,
        Fault::Page {
            beyond_user: false,
            ..
        }
    ) && !state.is_alien.get()
        && !state.vcpu.is_one()
        && !state.trampoline.is_enabled()
        && !thread.task(cpu).is_none_or(is_physical)
}

/// Answers the page fault of the last caller: without items, or with one page
/// that can be mapped at once.
#[inline(never)]
fn answer_fault(cpu: &Cpu, pager: &Thread, tag: u64, timeouts: u64) -> ShortWay {
    let pager = Sender {
        thread: pager,
        state: pager.local(cpu),
    };
    match answer(cpu, pager, tag, timeouts) {
        Some(Done) => ShortWay::ToTheFrame,
        None => ShortWay::Nowhere,
    }
}

#[inline(always)]
fn answer(cpu: &Cpu, pager: Sender<'_>, tag: u64, timeouts: u64) -> Option<Done> {
    const ITEMS: u64 = MessageTag::new(0, 0, 63, TagFlags::empty()).raw();
    let is_special = tag & (MORE_THAN_WORDS & !ITEMS) | u64::from(timeouts as u16) != 0;
    let caller = pager.thread.reply.caller(cpu)?;
    let to = caller.stands(cpu, Standing::Faulted)?;
    let tag = MessageTag::from_raw(tag);
    if is_special || tag.label() < 0 || !pager.can_go_back(cpu) {
        return None;
    }
    map_item(cpu, pager.thread, caller, tag)?;
    pair::part_here(&pager.thread.reply, caller);
    to.purpose.set(Purpose::Syscall);
    pager.waits(cpu, Waiting::Receive(Source::Anyone), Standing::Open);
    pager.switch_to(cpu, caller, to)
}

/// Maps the page that the message has, if it has no more than that. Nothing is
/// done if not.
#[inline(always)]
fn map_item(cpu: &Cpu, from: &Thread, to: &Thread, tag: MessageTag) -> Option<()> {
    let (utcb, at) = (from.utcb(cpu), tag.words());
    match tag.items() {
        0 => Some(()),
        1 if at + 1 < MESSAGE_REGISTERS => task::fast::map_page(
            cpu,
            from.task(cpu)?,
            to.task(cpu)?,
            ItemControl::from_raw(utcb.word(at)),
            Flexpage::from_raw(utcb.word(at + 1)),
        ),
        _ => None,
    }
}

/// The thread's task, and the capability there.
#[inline(always)]
fn look_up<'cpu>(
    cpu: &'cpu Cpu,
    thread: &Thread,
    destination: u64,
) -> Option<(&'cpu Task, Entry<'cpu>)> {
    let task = thread.task(cpu)?;
    let index = Destination::from_raw(destination).selector().index();
    Some((task, task.capabilities.lookup(cpu, index)?))
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

/// The interrupt that is to be triggered, if that is what is asked.
#[inline(always)]
fn triggered<'cpu>(
    cpu: &Cpu,
    state: &ThreadState,
    entry: &Entry<'cpu>,
    tag: u64,
) -> Option<&'cpu Irq> {
    const WITHOUT_WORDS: MessageTag = MessageTag::words_only(label::IRQ, 0);
    const WITH_OPCODE: MessageTag = MessageTag::words_only(label::IRQ, 1);
    if tag == WITHOUT_WORDS.raw() {
        return entry.object.downcast();
    }
    let opcode = state.utcb.get().get(cpu).word(0);
    if tag == WITH_OPCODE.raw() && opcode == protocol::irq::Opcode::Trigger.word() {
        return entry.object.downcast();
    }
    None
}

/// Triggers an interrupt. Who has waited for it goes on at once, if it is more
/// urgent than all others; the user mode of a vCPU is left for it.
#[inline(always)]
fn trigger(cpu: &Cpu, current: Sender<'_>, irq: &Irq) -> ShortWay {
    let held = irq.hold();
    let Some(receiver) = irq.plain_receiver(cpu, &held) else {
        return trigger_any(cpu, current.thread, irq, held);
    };
    if vcpu::fast::interrupt(cpu, receiver, irq.label()) {
        return ShortWay::ToTheEnd;
    }
    let open = receiver.stands(cpu, Standing::Open);
    if let Some(to) = open.filter(|to| scheduling::goes_first(cpu, &current.state, to)) {
        irq.give(&held, &to);
        drop(held);
        scheduling::preempt(cpu, current.thread, &current.state, receiver, &to);
        current.switch_to(cpu, receiver, to);
        return ShortWay::ToASyscall;
    }
    trigger_any(cpu, current.thread, irq, held)
}

#[inline(never)]
fn trigger_any(cpu: &Cpu, current: &Thread, irq: &Irq, held: Guard<'_, State>) -> ShortWay {
    drop(held);
    irq.hit(cpu);
    end_of(cpu, current)
}

/// Has the kernel perform an operation on an object.
#[inline(always)]
fn invoke(
    cpu: &Cpu,
    current: Sender<'_>,
    task: &Task,
    entry: Entry<'_>,
    operation: Operation,
    tag: u64,
    timeouts: u64,
) -> ShortWay {
    let Sender { thread, state } = current;
    perform_for(
        cpu,
        (thread, &state, task),
        entry,
        operation,
        MessageTag::from_raw(tag),
        TimeoutPair::from_raw(timeouts as u32),
    );
    // It may have changed its own registers, or go on in another task.
    if thread.is_behind(entry.object) {
        ShortWay::ToTheExit
    } else {
        end_of(cpu, thread)
    }
}

/// An operation of the kernel on an object for `caller`, which runs now.
#[inline(always)]
fn perform_for(
    cpu: &Cpu,
    caller: Caller<'_>,
    entry: Entry<'_>,
    operation: Operation,
    tag: MessageTag,
    timeouts: TimeoutPair,
) {
    let object = Some(entry.object);
    let rights = entry.rights.intersection(CapabilityRights::INVOCATION);
    match perform(cpu, caller, object, rights, operation, tag, timeouts) {
        Ok(false) => {}
        Ok(true) => {
            let receive = operation.contains(Operation::RECEIVE).then_some(PARTNER);
            let request = Request {
                receive,
                ..Request::new(tag, timeouts)
            };
            receive_from(cpu, caller.0, object, request);
        }
        Err(error) => finish::failed(cpu, caller.0, error),
    }
}

/// What follows an operation of `thread`, after which that goes on, or another
/// one that the operation made ready.
#[inline(always)]
fn end_of(cpu: &Cpu, thread: &Thread) -> ShortWay {
    if !cpu.kernel.reaper.is_empty() {
        ShortWay::ToTheExit
    } else if scheduling::is_settled(cpu) && cpu.current.is(thread) {
        ShortWay::ToTheEnd
    } else if cpu.preempt.get() && scheduling::give_way(cpu, thread) {
        ShortWay::ToTheFrame
    } else {
        ShortWay::ToTheExit
    }
}
