//! The receive phase.

use l4_abi::error::IpcError;

use super::{Request, finish, reply, transfer, wait};
use crate::cpu::Cpu;
use crate::object::irq::Irq;
use crate::object::thread::{Deferred, Source, Thread, Waiting};
use crate::scheduling;

/// Receives a message for `receiver`, the current thread.
pub fn receive(cpu: &Cpu, receiver: &Thread, request: Request) {
    receiver.state(cpu).request.set(request);
    begin(cpu, receiver, request);
}

/// The receive phase that was put off. `receiver` is about to run.
pub fn resume(cpu: &Cpu, receiver: &Thread) {
    let request = receiver.state(cpu).request.get();
    begin(cpu, receiver, request);
}

/// Takes a queued message, or waits for one; true if it waits.
pub(super) fn begin(cpu: &Cpu, receiver: &Thread, request: Request) -> bool {
    let Some(source) = request.receive else {
        return false;
    };
    if take_queued(cpu, receiver, source) {
        return false;
    }
    let timeout = request.timeouts.receive();
    if wait(cpu, receiver, Waiting::Receive(source), timeout).is_err() {
        // It may have just called somebody.
        reply::end_answer(cpu, receiver);
        finish::failed(cpu, receiver, IpcError::RECEIVE_TIMEOUT);
        if source == Source::Thread(receiver.id) {
            // A wait for oneself that is over at once: others' turn.
            scheduling::yield_now(cpu, receiver);
        }
        return false;
    }
    true
}

/// Takes the message of a queued sender that matches.
pub fn take_queued(cpu: &Cpu, receiver: &Thread, source: Source) -> bool {
    let state = receiver.state(cpu);
    match source {
        Source::Nobody => false,
        Source::Anyone => {
            if let Some(irq) = state.irqs.front(cpu) {
                take_irq(cpu, receiver, irq);
                true
            } else if let Some(sender) = state.senders.front(cpu) {
                take_message(cpu, receiver, sender, true);
                true
            } else {
                false
            }
        }
        Source::Irq(id) => match find_irq(cpu, receiver, id) {
            Some(irq) => {
                take_irq(cpu, receiver, irq);
                true
            }
            None => false,
        },
        Source::Thread(id) => match find_sender(cpu, receiver, id) {
            Some(sender) => {
                take_message(cpu, receiver, sender, false);
                true
            }
            None => false,
        },
    }
}

/// True if a queued sender matches.
fn is_queued(cpu: &Cpu, receiver: &Thread, source: Source) -> bool {
    let state = receiver.state(cpu);
    match source {
        Source::Nobody => false,
        Source::Anyone => !state.irqs.is_empty() || !state.senders.is_empty(),
        Source::Irq(id) => find_irq(cpu, receiver, id).is_some(),
        Source::Thread(id) => find_sender(cpu, receiver, id).is_some(),
    }
}

fn find_irq<'cpu>(cpu: &'cpu Cpu, receiver: &Thread, id: u64) -> Option<&'cpu Irq> {
    let irqs = &receiver.state(cpu).irqs;
    let mut next = irqs.front(cpu);
    while let Some(irq) = next {
        if irq.id == id {
            return Some(irq);
        }
        next = irqs.after(cpu, irq);
    }
    None
}

fn find_sender<'cpu>(cpu: &'cpu Cpu, receiver: &Thread, id: u64) -> Option<&'cpu Thread> {
    let senders = &receiver.state(cpu).senders;
    let mut next = senders.front(cpu);
    while let Some(sender) = next {
        if sender.id == id {
            return Some(sender);
        }
        next = senders.after(cpu, sender);
    }
    None
}

fn take_irq(cpu: &Cpu, receiver: &Thread, irq: &Irq) {
    let label = irq.take(cpu, receiver);
    finish::received_irq(cpu, receiver, label);
}

/// Takes the message of `sender`, which waits on the receiver's list, and
/// lets it go on.
fn take_message(cpu: &Cpu, receiver: &Thread, sender: &Thread, open: bool) {
    let state = sender.state(cpu);
    cpu.timeouts.remove(cpu, sender);
    receiver.state(cpu).senders.remove(sender);
    receiver.sender_left(cpu);
    state.receiver.set(None);
    state.waiting.set(Waiting::Nothing);
    let request = state.request.get();
    let result = transfer::transfer(cpu, sender, receiver, &request);
    finish::received(cpu, receiver, &request, result);
    match (result, request.receive) {
        (Err(error), _) => finish::failed(cpu, sender, error),
        // The sender keeps its own tag (abi/01).
        (Ok(()), None) => {}
        (Ok(()), Some(source)) => {
            if open && request.is_call_of(receiver.id) {
                reply::connect(cpu, receiver, sender, request.rights);
            }
            if is_queued(cpu, sender, source) {
                state.deferred.set(Deferred::Receive);
            } else {
                let timeout = request.timeouts.receive();
                if wait(cpu, sender, Waiting::Receive(source), timeout).is_err() {
                    reply::end_answer(cpu, sender);
                    finish::failed(cpu, sender, IpcError::RECEIVE_TIMEOUT);
                }
            }
        }
    }
    scheduling::make_ready(cpu, sender);
}
