//! The one system call: what it addresses, and who carries it out (abi/01).

use l4_abi::capability::{ReplySlot, Target};
use l4_abi::error::IpcError;
use l4_abi::message_tag::MessageTag;
use l4_abi::operation::{Destination, Operation};
use l4_abi::protocol::label;
use l4_abi::rights::CapabilityRights;
use l4_abi::timeout::TimeoutPair;

use crate::capability::Entry;
use crate::cpu::Cpu;
use crate::ipc::{self, Request, finish};
use crate::object::ipc_gate::IpcGate;
use crate::object::irq::Irq;
use crate::object::thread::{Deferred, Source, Stop, Thread, ThreadState};
use crate::object::{self, Fail, Header, Invocation, Kind, Outcome};
use crate::remote;

/// The current thread made a system call.
pub fn syscall(cpu: &Cpu) {
    let Some(thread) = cpu.current.get(cpu) else {
        return;
    };
    let state = thread.state(cpu);
    if state.intercepts_syscalls() {
        if state.vcpu.is_in_user_task() {
            thread.enter_with_syscall(cpu);
            return;
        }
        if !state.allow_syscall.replace(false) {
            crate::fault::report_syscall(cpu, thread);
            return;
        }
        thread.set_stop(cpu, Stop::SyscallExecuted);
        cpu.reschedule.set(true);
    }
    if let Err(error) = dispatch(cpu, thread) {
        finish::failed(cpu, thread, error);
    }
}

/// The system call of `thread`, which runs now, has paused: it goes on.
pub fn resume(cpu: &Cpu, thread: &Thread) {
    if let Err(error) = dispatch(cpu, thread) {
        finish::failed(cpu, thread, error);
    }
}

/// A closed wait for a partner that is not known yet.
const PARTNER: Source = Source::Nobody;

fn dispatch(cpu: &Cpu, thread: &Thread) -> Result<(), IpcError> {
    let frame = &thread.state(cpu).context.frame;
    let destination = Destination::from_raw(frame.destination());
    let operation = destination.operation();
    let request = Request {
        label: frame.label(),
        receive: match () {
            () if !operation.contains(Operation::RECEIVE) => None,
            () if operation.contains(Operation::OPEN_WAIT) => Some(Source::Anyone),
            () => Some(PARTNER),
        },
        reply_slot: destination.selector().reply_slot(),
        ..Request::new(
            MessageTag::from_raw(frame.tag()),
            TimeoutPair::from_raw(frame.timeouts()),
        )
    };
    if request.receive == Some(Source::Anyone)
        && let ReplySlot::Explicit(index) = request.reply_slot
    {
        prepare_reply_slot(cpu, thread, index)?;
    }
    match destination.target() {
        Target::Reply(slot) => reply(cpu, thread, slot, operation, request),
        Target::CallingThread => {
            let rights = CapabilityRights::INVOCATION;
            thread_capability(cpu, thread, thread, None, rights, operation, request)
        }
        Target::Object(index) => {
            let task = thread.task(cpu).ok_or(IpcError::NOT_EXISTENT)?;
            let entry = task
                .capabilities
                .lookup(cpu, index)
                .ok_or(IpcError::NOT_EXISTENT)?;
            capability(cpu, thread, entry, operation, request)
        }
    }
}

/// Answers the caller that the reply slot names.
fn reply(
    cpu: &Cpu,
    thread: &Thread,
    slot: ReplySlot,
    operation: Operation,
    mut request: Request,
) -> Result<(), IpcError> {
    let place = ipc::reply::place(cpu, thread, slot).ok_or(IpcError::NOT_EXISTENT)?;
    let caller = place.caller(cpu).ok_or(IpcError::NOT_EXISTENT)?;
    if !operation.contains(Operation::SEND) {
        ipc::reply::forgo(cpu, place);
    } else if caller.is_here(cpu) {
        // A message with items may pause; the place is used up at its end.
        request.rights = match request.tag.items() {
            0 => ipc::reply::take(cpu, place, caller),
            _ => ipc::reply::rights(place, caller),
        }
        .ok_or(IpcError::NOT_EXISTENT)?;
    }
    to_thread(cpu, thread, caller, operation, request, Deferred::Syscall)
}

fn capability(
    cpu: &Cpu,
    thread: &Thread,
    entry: Entry<'_>,
    operation: Operation,
    mut request: Request,
) -> Result<(), IpcError> {
    let rights = entry.rights.intersection(CapabilityRights::INVOCATION);
    match entry.object.common().kind {
        Kind::IpcGate => {
            let Some(gate) = entry.object.downcast::<IpcGate>() else {
                return Err(IpcError::NOT_EXISTENT);
            };
            let is_control = request.tag.label() == label::KERNEL_OBJECT
                && operation.contains(Operation::SEND)
                && entry.rights.contains(CapabilityRights::IPC_GATE_SERVER);
            if is_control {
                return invoke(cpu, thread, Some(entry.object), rights, operation, request);
            }
            request.rights = rights;
            thread.state(cpu).request.set(request);
            through_gate(
                cpu,
                thread,
                gate,
                entry.object,
                operation,
                Deferred::Syscall,
            )
        }
        Kind::Thread => {
            let Some(target) = entry.object.downcast::<Thread>() else {
                return Err(IpcError::NOT_EXISTENT);
            };
            thread_capability(
                cpu,
                thread,
                target,
                Some(entry.object),
                rights,
                operation,
                request,
            )
        }
        _ => invoke(cpu, thread, Some(entry.object), rights, operation, request),
    }
}

/// A thread capability: the kernel's protocol, or a message to the thread.
fn thread_capability(
    cpu: &Cpu,
    thread: &Thread,
    target: &Thread,
    header: Option<&Header>,
    rights: CapabilityRights,
    operation: Operation,
    mut request: Request,
) -> Result<(), IpcError> {
    if request.tag.label() == label::THREAD {
        return invoke(cpu, thread, header, rights, operation, request);
    }
    request.rights = rights;
    to_thread(cpu, thread, target, operation, request, Deferred::Syscall)
}

/// Sends to and receives from `partner`, or whoever the receive phase is for.
/// The thread goes to the CPU of whom it sends to, to begin with `again`
/// there.
fn to_thread(
    cpu: &Cpu,
    thread: &Thread,
    partner: &Thread,
    operation: Operation,
    mut request: Request,
    again: Deferred,
) -> Result<(), IpcError> {
    if operation.contains(Operation::SEND) && !partner.is_here(cpu) {
        remote::visit(cpu, thread, partner.home(), again);
        return Ok(());
    }
    if request.receive == Some(PARTNER) {
        request.receive = Some(Source::Thread(partner.id));
    }
    if operation.contains(Operation::SEND) {
        ipc::send(cpu, thread, partner, request, again);
    } else if request.receive.is_some() {
        ipc::receive(cpu, thread, request);
    } else {
        return Err(IpcError::NOT_EXISTENT);
    }
    Ok(())
}

/// Goes on with the thread's [`Request`] at the thread that `gate` is bound
/// to; waits while it is bound to none (abi/03 §9).
fn through_gate(
    cpu: &Cpu,
    thread: &Thread,
    gate: &IpcGate,
    header: &Header,
    operation: Operation,
    again: Deferred,
) -> Result<(), IpcError> {
    let mut request = thread.state(cpu).request.get();
    loop {
        if let Some((partner, label)) = gate.target(cpu) {
            request.label = label | u64::from(request.rights.bits());
            return to_thread(cpu, thread, partner, operation, request, again);
        }
        if gate.wait(cpu, thread, header, operation)? {
            return Ok(());
        }
    }
}

/// The gate at which `thread`, which runs now, has waited is bound.
pub fn repeat(cpu: &Cpu, thread: &Thread) {
    let state = thread.state(cpu);
    let operation = state.gate_operation.get();
    let result = match state.gate.replace(None) {
        Some(gate) => {
            let header = gate.header();
            let result = through_gate(cpu, thread, &gate, header, operation, Deferred::Gate);
            if state.deferred.get() == Deferred::Gate {
                // For when it is there, or goes on.
                state.gate.replace(Some(gate));
            }
            result
        }
        None => Err(IpcError::NOT_EXISTENT),
    };
    if let Err(error) = result {
        finish::failed(cpu, thread, error);
    }
}

/// Sends the kernel's own message for `thread` through a capability of its
/// task, and waits for the answer.
pub fn call_for(cpu: &Cpu, thread: &Thread, entry: Entry<'_>, mut request: Request) {
    request.rights = entry.rights.intersection(CapabilityRights::INVOCATION);
    request.receive = Some(PARTNER);
    let result = if let Some(gate) = entry.object.downcast::<IpcGate>() {
        thread.state(cpu).request.set(request);
        let again = Deferred::Fault;
        through_gate(cpu, thread, gate, entry.object, Operation::CALL, again)
    } else if let Some(target) = entry.object.downcast::<Thread>() {
        let again = Deferred::Fault;
        to_thread(cpu, thread, target, Operation::CALL, request, again)
    } else {
        Err(IpcError::NOT_EXISTENT)
    };
    if let Err(error) = result {
        finish::failed(cpu, thread, error);
    }
}

fn prepare_reply_slot(cpu: &Cpu, thread: &Thread, index: u64) -> Result<(), IpcError> {
    thread
        .task(cpu)
        .ok_or(IpcError::NO_REPLY_CAPABILITY)?
        .make_reply_place(cpu, index)
        .map_err(|_| IpcError::NO_REPLY_CAPABILITY)
}

/// An operation of the kernel on an object for `thread`, which runs now and
/// whose state is `state`.
#[inline(always)]
pub fn invoke_short(
    cpu: &Cpu,
    thread: &Thread,
    state: &ThreadState,
    entry: Entry<'_>,
    operation: Operation,
    tag: MessageTag,
    timeouts: TimeoutPair,
) {
    let object = Some(entry.object);
    let rights = entry.rights.intersection(CapabilityRights::INVOCATION);
    match perform(cpu, thread, state, object, rights, operation, tag, timeouts) {
        Ok(false) => {}
        Ok(true) => {
            let receive = operation.contains(Operation::RECEIVE).then_some(PARTNER);
            let request = Request {
                receive,
                ..Request::new(tag, timeouts)
            };
            receive_from_object(cpu, thread, object, request);
        }
        Err(error) => finish::failed(cpu, thread, error),
    }
}

/// An operation of the kernel on one of its objects; `None`: on the thread
/// itself.
fn invoke(
    cpu: &Cpu,
    thread: &Thread,
    object: Option<&Header>,
    rights: CapabilityRights,
    operation: Operation,
    request: Request,
) -> Result<(), IpcError> {
    let (tag, timeouts) = (request.tag, request.timeouts);
    let state = thread.state(cpu);
    if perform(cpu, thread, state, object, rights, operation, tag, timeouts)? {
        receive_from_object(cpu, thread, object, request);
    }
    Ok(())
}

/// Performs the operation, and answers; false. Or there is no answer, and the
/// receive phase follows.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "they are registers")]
fn perform(
    cpu: &Cpu,
    thread: &Thread,
    state: &ThreadState,
    object: Option<&Header>,
    rights: CapabilityRights,
    operation: Operation,
    tag: MessageTag,
    timeouts: TimeoutPair,
) -> Result<bool, IpcError> {
    let kind = object.map_or(Kind::Thread, |object| object.common().kind);
    // Tasks and threads do not look at the operation (abi/01).
    let performs = operation.contains(Operation::SEND) || matches!(kind, Kind::Task | Kind::Thread);
    if !performs {
        return Ok(true);
    }
    let outcome = object::invoke(&Invocation {
        cpu,
        caller: thread,
        task: thread.task(cpu).ok_or(IpcError::NOT_EXISTENT)?,
        utcb: state.utcb.get().get(cpu),
        object,
        rights,
        tag,
        operation,
        timeouts,
    });
    let answer = match outcome {
        Ok(Outcome::Done) => return Ok(false),
        Ok(Outcome::NoReply) => return Ok(true),
        Ok(Outcome::Reply(tag)) => tag,
        Err(Fail::Code(code)) => MessageTag::label_only(code.label()),
        Err(Fail::Ipc(error)) => return Err(error),
    };
    if operation.contains(Operation::RECEIVE) {
        state.context.frame.set_tag(answer.raw());
    }
    Ok(false)
}

/// The receive phase of an operation that does not answer.
fn receive_from_object(cpu: &Cpu, thread: &Thread, object: Option<&Header>, mut request: Request) {
    if request.receive == Some(PARTNER)
        && let Some(irq) = object.and_then(|object| object.downcast::<Irq>())
    {
        request.receive = Some(Source::Irq(irq.id));
    }
    if request.receive.is_some() {
        ipc::receive(cpu, thread, request);
    }
}
