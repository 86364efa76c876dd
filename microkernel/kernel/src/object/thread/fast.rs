//! What makes a thread and lets it start. Its creation, its binding to a task and
//! its first registers lead back to the caller: entry code tries them as it tries
//! what is asked of tasks (`object/task/fast.rs`). What fails as IPC does is left
//! to the general way, and so is all else; nothing is done by then.

use l4_abi::capability::Selector;
use l4_abi::item::ReceivedItem;
use l4_abi::message_tag::{MessageTag, TagFlags};
use l4_abi::operation::Operation;
use l4_abi::protocol::factory::ObjectType;
use l4_abi::protocol::scheduler::Opcode as Request;
use l4_abi::protocol::thread::{OPCODE_MASK, Opcode};
use l4_abi::rights::CapabilityRights;
use l4_abi::timeout::TimeoutPair;
use machine::per_cpu::{BIND, CREATE, EX_REGS, RUN, TaskAnswer};

use super::{LocalState, Thread};
use crate::cpu::Cpu;
use crate::object::factory::{Factory, target_slot};
use crate::object::scheduler::{Scheduler, cpu_set, parameters};
use crate::object::task::fast;
use crate::object::{Fail, Header, Invocation, OperationResult, Outcome};
use crate::scheduling::fast as scheduling;

/// Creation of a thread.
#[inline(always)]
pub fn create(cpu: &Cpu, destination: u64) -> Option<TaskAnswer> {
    let (call, object, state) = called(cpu, destination, CREATE)?;
    let factory = object.downcast::<Factory>()?;
    if call.word(0) != ObjectType::Thread.word() {
        return None;
    }
    end(state, make(factory, &call), fast::is_all(cpu))
}

/// Makes a thread, as the request is known to ask.
#[inline(always)]
fn make(factory: &Factory, call: &Invocation<'_>) -> OperationResult {
    call.require_rights(CapabilityRights::SPECIAL)?;
    let slot = target_slot(call)?;
    let thread = Thread::create(call.cpu, factory.quota(), call.cpu.id())?.into_any();
    factory.hand_out(call, slot, &thread)?;
    call.reply(0, ReceivedItem::NEW_OBJECT_WORD);
    Ok(Outcome(MessageTag::new(0, 0, 1, TagFlags::empty())))
}

/// Thread control with a task to bind to.
#[inline(always)]
pub fn bind(cpu: &Cpu, destination: u64) -> Option<TaskAnswer> {
    let (call, object, state) = called(cpu, destination, BIND)?;
    let thread = object.downcast::<Thread>()?;
    let to = thread.state.get(cpu)?;
    if call.word(0) & OPCODE_MASK != Opcode::Control.word() {
        return None;
    }
    end(
        state,
        thread.control(&call, to.value()),
        !cpu.reschedule.get(),
    )
}

/// ex_regs of another thread: of the caller's own registers only a part is in its
/// frame.
#[inline(always)]
pub fn ex_regs(cpu: &Cpu, destination: u64) -> Option<TaskAnswer> {
    let (call, object, state) = called(cpu, destination, EX_REGS)?;
    let thread = object.downcast::<Thread>()?;
    let to = thread.state.get(cpu)?;
    const REQUEST: u64 = Opcode::ExRegs.word();
    if call.word(0) != REQUEST || core::ptr::eq(thread, call.caller) {
        return None;
    }
    end(
        state,
        thread.ex_regs(&call, to.value(), REQUEST),
        !cpu.reschedule.get(),
    )
}

/// run_thread of the scheduler, if that thread goes on at once in place
/// of the current one, whose registers are all in its frame.
#[inline(always)]
pub fn run(cpu: &Cpu, destination: u64) -> Option<()> {
    let (call, object, state) = called(cpu, destination, RUN)?;
    object.downcast::<Scheduler>()?;
    let (thread, parameters) = near_thread(&call)?;
    scheduling::start(cpu, (call.caller, &state), thread, parameters)?;
    state.context.frame.set_tag(MessageTag::EMPTY.raw());
    Some(())
}

/// The thread that the request is to run, its priority and its time slice, if it
/// is more urgent than all others and stays on this CPU.
#[inline(always)]
fn near_thread<'cpu>(call: &Invocation<'cpu>) -> Option<(&'cpu Thread, (u8, u64))> {
    let (cpu, (priority, quantum)) = (call.cpu, parameters(call).ok()?);
    if call.word(0) != Request::RunThread.word() || priority <= cpu.budget.priority() {
        return None;
    }
    let (thread, _) = call.argument::<Thread>().ok()?;
    let stays = thread.lives_here(cpu) && cpu_set(call).contains(cpu.id());
    stays.then_some((thread, (priority, quantum)))
}

/// A call of the current thread, its object, and the caller's state.
type Called<'cpu> = (Invocation<'cpu>, &'cpu Header, LocalState<'cpu>);

#[inline(always)]
fn called(cpu: &Cpu, to: u64, tag: MessageTag) -> Option<Called<'_>> {
    let (caller, state, task, selector) = fast::caller(cpu, to)?;
    let index = Selector::from_raw(selector).index();
    let entry = task.capabilities.lookup(cpu, index)?;
    let call = Invocation {
        cpu,
        caller,
        task,
        utcb: state.value().utcb.get().get(cpu),
        object: Some(entry.object),
        rights: entry.rights.intersection(CapabilityRights::INVOCATION),
        tag,
        operation: Operation::CALL,
        timeouts: TimeoutPair::NEVER,
    };
    Some((call, entry.object, state))
}

/// What follows; `is_all` is found out when the operation is done.
#[inline(always)]
fn end(state: LocalState<'_>, result: OperationResult, is_all: bool) -> Option<TaskAnswer> {
    let (Ok(Outcome(tag)) | Err(Fail(tag))) = result;
    (!tag.has_error()).then(|| fast::answer(is_all, &state, tag))
}

impl Thread {
    /// True if `header` is its own.
    pub fn is_behind(&self, header: &Header) -> bool {
        self.own.get().is_some_and(|own| own.is(header))
    }
}
