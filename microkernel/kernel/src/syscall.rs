//! The one system call: what it addresses, and who carries it out (abi/01).

use core::hint::cold_path;

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
use crate::object::task::Task;
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
    resume(cpu, thread);
}

/// Carries the system call of `thread`, which runs now, out; or goes on with it,
/// if it has paused.
pub fn resume(cpu: &Cpu, thread: &Thread) {
    end(cpu, thread, dispatch(cpu, thread));
}

/// What `thread` has asked for is done, or has failed.
fn end(cpu: &Cpu, thread: &Thread, result: Result<(), IpcError>) {
    if let Err(error) = result {
        finish::failed(cpu, thread, error);
    }
}

/// A closed wait for a partner that is not known yet.
pub const PARTNER: Source = Source::Nobody;

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
    let call = Call {
        cpu,
        thread,
        operation,
        request,
        again: Deferred::Syscall,
    };
    match destination.target() {
        Target::Reply(slot) => call.reply(slot),
        Target::CallingThread => call.thread_capability(thread, None, CapabilityRights::INVOCATION),
        Target::Object(index) => {
            let task = thread.task(cpu).ok_or(IpcError::NOT_EXISTENT)?;
            let entry = task.capabilities.lookup(cpu, index);
            call.capability(entry.ok_or(IpcError::NOT_EXISTENT)?)
        }
    }
}

/// An operation of a thread that runs now, on its way to whom it is for.
struct Call<'cpu> {
    cpu: &'cpu Cpu,
    thread: &'cpu Thread,
    operation: Operation,
    request: Request,
    /// What the thread does when it has come to another CPU for it.
    again: Deferred,
}

impl Call<'_> {
    /// Answers the caller that the reply slot names.
    fn reply(mut self, slot: ReplySlot) -> Result<(), IpcError> {
        let cpu = self.cpu;
        let place = ipc::reply::place(cpu, self.thread, slot).ok_or(IpcError::NOT_EXISTENT)?;
        let caller = place.caller(cpu).ok_or(IpcError::NOT_EXISTENT)?;
        if !self.operation.contains(Operation::SEND) {
            ipc::reply::forgo(cpu, place);
        } else if caller.is_here(cpu) {
            // A message with items may pause; the place is used up at its end.
            self.request.rights = match self.request.tag.items() {
                0 => ipc::reply::take(cpu, place, caller),
                _ => ipc::reply::rights(place, caller),
            }
            .ok_or(IpcError::NOT_EXISTENT)?;
        }
        self.exchange(caller)
    }

    fn capability(mut self, entry: Entry<'_>) -> Result<(), IpcError> {
        let rights = entry.rights.intersection(CapabilityRights::INVOCATION);
        match entry.object.common().kind {
            Kind::IpcGate => {
                let is_control = self.request.tag.label() == label::KERNEL_OBJECT
                    && self.operation.contains(Operation::SEND)
                    && entry.rights.contains(CapabilityRights::IPC_GATE_SERVER);
                if is_control {
                    return self.invoke(Some(entry.object), rights);
                }
                self.request.rights = rights;
                self.through_gate(entry.object)
            }
            Kind::Thread => {
                let target = entry.object.downcast().ok_or(IpcError::NOT_EXISTENT)?;
                self.thread_capability(target, Some(entry.object), rights)
            }
            _ => self.invoke(Some(entry.object), rights),
        }
    }

    /// A thread capability: the kernel's protocol, or a message to the thread.
    fn thread_capability(
        mut self,
        target: &Thread,
        header: Option<&Header>,
        rights: CapabilityRights,
    ) -> Result<(), IpcError> {
        if self.request.tag.label() == label::THREAD {
            return self.invoke(header, rights);
        }
        self.request.rights = rights;
        self.exchange(target)
    }

    /// Sends to and receives from `partner`, or whoever the receive phase is for.
    /// The thread goes to the CPU of whom it sends to, to begin again there.
    fn exchange(mut self, partner: &Thread) -> Result<(), IpcError> {
        let sends = self.operation.contains(Operation::SEND);
        if sends && !partner.is_here(self.cpu) {
            remote::visit(self.cpu, self.thread, partner.home(), self.again);
            return Ok(());
        }
        if self.request.receive == Some(PARTNER) {
            self.request.receive = Some(Source::Thread(partner.id));
        }
        if sends {
            ipc::send(self.cpu, self.thread, partner, self.request, self.again);
        } else if self.request.receive.is_some() {
            ipc::receive(self.cpu, self.thread, self.request);
        } else {
            return Err(IpcError::NOT_EXISTENT);
        }
        Ok(())
    }

    /// Goes on at the thread to which the gate with this header is bound; waits
    /// while it is bound to none (abi/03 §9).
    fn through_gate(mut self, header: &Header) -> Result<(), IpcError> {
        let gate = header.downcast::<IpcGate>().ok_or(IpcError::NOT_EXISTENT)?;
        self.thread.state(self.cpu).request.set(self.request);
        loop {
            if let Some((partner, label)) = gate.target(self.cpu) {
                self.request.label = label | u64::from(self.request.rights.bits());
                return self.exchange(partner);
            }
            if gate.wait(self.cpu, self.thread, header, self.operation)? {
                return Ok(());
            }
        }
    }

    /// An operation of the kernel on one of its objects; `None`: on the thread
    /// itself.
    fn invoke(self, object: Option<&Header>, rights: CapabilityRights) -> Result<(), IpcError> {
        let (cpu, thread, operation) = (self.cpu, self.thread, self.operation);
        let request = self.request;
        let (tag, timeouts) = (request.tag, request.timeouts);
        let task = thread.task(cpu).ok_or(IpcError::NOT_EXISTENT)?;
        let caller = (thread, thread.state(cpu), task);
        if perform(cpu, caller, object, rights, operation, tag, timeouts)? {
            receive_from(cpu, thread, object, request);
        }
        Ok(())
    }
}

/// The gate at which `thread`, which runs now, has waited is bound; none if
/// it was cancelled meanwhile.
pub fn repeat(cpu: &Cpu, thread: &Thread) {
    let state = thread.state(cpu);
    let Some(gate) = state.gate.replace(None) else {
        return finish::failed(cpu, thread, IpcError::SEND_CANCELED);
    };
    let call = Call {
        cpu,
        thread,
        operation: state.gate_operation.get(),
        request: state.request.get(),
        again: Deferred::Gate,
    };
    let result = call.through_gate(gate.header());
    if state.deferred.get() == Deferred::Gate {
        // For when it is there, or goes on.
        state.gate.replace(Some(gate));
    }
    end(cpu, thread, result);
}

/// Sends the kernel's own message for `thread` through a capability of its
/// task, and waits for the answer.
pub fn call_for(cpu: &Cpu, thread: &Thread, entry: Entry<'_>, mut request: Request) {
    request.rights = entry.rights.intersection(CapabilityRights::INVOCATION);
    request.receive = Some(PARTNER);
    let call = Call {
        cpu,
        thread,
        operation: Operation::CALL,
        request,
        again: Deferred::Fault,
    };
    let result = match entry.object.downcast() {
        Some(target) => call.exchange(target),
        None => call.through_gate(entry.object),
    };
    end(cpu, thread, result);
}

fn prepare_reply_slot(cpu: &Cpu, thread: &Thread, index: u64) -> Result<(), IpcError> {
    thread
        .task(cpu)
        .ok_or(IpcError::NO_REPLY_CAPABILITY)?
        .make_reply_place(cpu, index)
        .map_err(|_| IpcError::NO_REPLY_CAPABILITY)
}

/// A thread that makes a system call, its state, and its task.
pub type Caller<'a> = (&'a Thread, &'a ThreadState, &'a Task);

/// Performs the operation, and answers; false. Or there is no answer, and the
/// receive phase follows.
#[inline(always)]
pub fn perform(
    cpu: &Cpu,
    (thread, state, task): Caller<'_>,
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
        task,
        utcb: state.utcb.get().get(cpu),
        object,
        rights,
        tag,
        operation,
        timeouts,
    });
    let (Ok(Outcome(answer)) | Err(Fail(answer))) = outcome;
    if answer.has_error() {
        cold_path();
        let error = IpcError::from_word(answer.label() as u64);
        return outcome.map_or(Err(error), |outcome| Ok(outcome == Outcome::NO_REPLY));
    }
    if operation.contains(Operation::RECEIVE) {
        state.context.frame.set_tag(answer.raw());
    }
    Ok(false)
}

/// The receive phase of an operation that does not answer.
pub fn receive_from(cpu: &Cpu, thread: &Thread, object: Option<&Header>, mut request: Request) {
    if request.receive == Some(PARTNER)
        && let Some(irq) = object.and_then(|object| object.downcast::<Irq>())
    {
        request.receive = Some(Source::Irq(irq.id));
    }
    if request.receive.is_some() {
        ipc::receive(cpu, thread, request);
    }
}
