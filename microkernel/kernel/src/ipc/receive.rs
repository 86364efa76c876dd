//! The receive phase.

use l4_abi::capability::Target;
use l4_abi::error::IpcError;
use l4_abi::operation::Destination;

use super::{Request, finish, reply, transfer, wait};
use crate::cpu::Cpu;
use crate::object::Header;
use crate::object::ipc_gate::IpcGate;
use crate::object::irq::Irq;
use crate::object::thread::{Deferred, Source, Thread, Waiting};
use crate::{remote, scheduling, trace};

/// Receives a message for `receiver`, the current thread.
pub fn receive(cpu: &Cpu, receiver: &Thread, request: Request) {
    receiver.state(cpu).request.set(request);
    begin(cpu, receiver, request, false);
}

/// The receive phase that was put off. `receiver` is about to run, or has
/// come to this CPU for it.
pub fn resume(cpu: &Cpu, receiver: &Thread) {
    let request = receiver.state(cpu).request.get();
    begin(cpu, receiver, request, false);
}

/// Takes a queued message, or waits for one; true if it waits. A thread that
/// is `called` by this operation, successfully, sends nothing yet.
pub(super) fn begin(cpu: &Cpu, receiver: &Thread, request: Request, called: bool) -> bool {
    let Some(source) = request.receive else {
        return false;
    };
    if !called && take_queued(cpu, receiver, source) {
        return false;
    }
    if !called && !receiver.lives_here(cpu) {
        // It waits at home, where its clients are.
        remote::visit(cpu, receiver, receiver.residence(), Deferred::Receive);
        return false;
    }
    let timeout = request.timeouts.receive();
    if wait(cpu, receiver, Waiting::Receive(source), timeout).is_err() {
        finish::failed(cpu, receiver, IpcError::RECEIVE_TIMEOUT);
        if source == Source::Thread(receiver.id) {
            // A wait for oneself that is over at once: others' turn.
            scheduling::yield_now(cpu, receiver);
        }
        return false;
    }
    true
}

/// Takes the message of a queued sender that matches, on whatever CPU that
/// is. If that pauses, the receiver begins its receive phase again later.
pub fn take_queued(cpu: &Cpu, receiver: &Thread, source: Source) -> bool {
    take_matching(cpu, receiver, source).unwrap_or_else(|error| {
        finish::failed(cpu, receiver, error);
        true
    })
}

fn take_matching(cpu: &Cpu, receiver: &Thread, source: Source) -> Result<bool, IpcError> {
    let paused = receiver.paused_partner(cpu);
    let paused = paused.filter(|sender| receiver.mailbox.has_sender(sender));
    if paused.is_none()
        && let Some(irq) = queued_irq(cpu, receiver, source)?
        && let Some(label) = irq.take(cpu, receiver)
    {
        trace::irq_message(cpu, receiver, irq.id, label);
        finish::received_irq(cpu, receiver, label);
        return Ok(true);
    }
    let sender = match paused {
        None => queued_sender(cpu, receiver, source)?,
        paused => paused,
    };
    let Some(sender) = sender else {
        return Ok(false);
    };
    if sender.is_here(cpu) {
        let open = source == Source::Anyone;
        take_message(cpu, receiver, sender, open);
    } else {
        remote::visit(cpu, receiver, sender.home(), Deferred::Receive);
    }
    Ok(true)
}

/// The object that the system call of `receiver` names, for a closed wait. So
/// nobody need be searched for among those who wait, unless it names somebody
/// else by now, or a reply slot.
fn named_object<'cpu>(cpu: &'cpu Cpu, receiver: &'cpu Thread) -> Option<&'cpu Header> {
    let frame = &receiver.state(cpu).context.frame;
    let Target::Object(index) = Destination::from_raw(frame.destination()).target() else {
        return None;
    };
    let entry = receiver.task(cpu)?.capabilities.lookup(cpu, index)?;
    Some(entry.object)
}

fn queued_irq<'cpu>(
    cpu: &'cpu Cpu,
    receiver: &'cpu Thread,
    source: Source,
) -> Result<Option<&'cpu Irq>, IpcError> {
    Ok(match source {
        Source::Anyone => receiver.mailbox.irq(cpu),
        Source::Irq(id) => {
            let named = named_object(cpu, receiver).and_then(|object| object.downcast::<Irq>());
            match named.filter(|irq| irq.id == id) {
                Some(irq) => receiver.mailbox.has_irq(irq).then_some(irq),
                None => receiver.mailbox.find_irq(cpu, id)?,
            }
        }
        Source::Nobody | Source::Thread(_) => None,
    })
}

fn queued_sender<'cpu>(
    cpu: &'cpu Cpu,
    receiver: &'cpu Thread,
    source: Source,
) -> Result<Option<&'cpu Thread>, IpcError> {
    Ok(match source {
        Source::Anyone => receiver.mailbox.sender(cpu),
        Source::Thread(id) => {
            let named = named_object(cpu, receiver).and_then(|object| {
                let gate = || object.downcast::<IpcGate>()?.target(cpu);
                (object.downcast::<Thread>()).or_else(|| Some(gate()?.0))
            });
            match named.filter(|thread| thread.id == id) {
                Some(thread) => receiver.mailbox.has_sender(thread).then_some(thread),
                None => receiver.mailbox.find_sender(cpu, id)?,
            }
        }
        Source::Nobody | Source::Irq(_) => None,
    })
}

/// An interrupt has joined those who wait to send to `receiver`, which is on
/// this CPU, or somebody has left: it takes the interrupt's message, if it
/// waits for it or is a vCPU.
pub fn look_into_mailbox(cpu: &Cpu, receiver: &Thread) {
    let tell = || match receiver.mailbox.is_empty() {
        true => receiver.sender_left(cpu),
        false => receiver.sender_came(cpu),
    };
    let Waiting::Receive(source) = receiver.state(cpu).waiting.get() else {
        tell();
        if receiver.takes_upcall(cpu).is_some() {
            receiver.take_upcall(cpu);
        }
        return;
    };
    match queued_irq(cpu, receiver, source) {
        // What it waits for is something else: a vCPU takes the message later.
        Ok(None) => tell(),
        Ok(Some(irq)) => {
            if let Some(label) = irq.take(cpu, receiver) {
                receiver.waits_no_more(cpu);
                trace::irq_message(cpu, receiver, irq.id, label);
                finish::received_irq(cpu, receiver, label);
                scheduling::make_ready(cpu, receiver);
            }
        }
        Err(error) => super::abort(cpu, receiver, error),
    }
}

/// Takes the message of `sender`, which waits in the receiver's mailbox and is
/// on this CPU, and lets it go on.
fn take_message(cpu: &Cpu, receiver: &Thread, sender: &Thread, open: bool) {
    let state = sender.state(cpu);
    let mut request = state.request.get();
    let both = [sender, receiver];
    let Some(items) = transfer::items(cpu, both, &request, receiver, Deferred::Receive) else {
        return;
    };
    receiver.mailbox.remove(cpu, sender);
    sender.waits_no_more(cpu);
    request.label = sender.place.label();
    receiver.sender_left(cpu);
    let result = transfer::transfer(cpu, sender, receiver, &request, items);
    finish::received(cpu, receiver, &request, result);
    match (result, request.receive) {
        (Err(error), _) => finish::failed(cpu, sender, error),
        // The sender keeps its own tag (abi/01).
        (Ok(()), None) => {}
        (Ok(()), Some(_)) => {
            // Whom it calls receives, and is not queued.
            let calls = request.is_call_of(receiver.id);
            if !calls && !sender.mailbox.is_empty() {
                state.deferred.set(Deferred::Receive);
            } else {
                let waits = begin(cpu, sender, request, calls);
                match (calls && open, waits) {
                    (true, true) => reply::connect(cpu, receiver, sender, request.rights),
                    (true, false) => reply::disconnect(cpu, receiver),
                    (false, _) => {}
                }
            }
        }
    }
    scheduling::make_ready(cpu, sender);
}
