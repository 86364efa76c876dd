//! The send phase.

use l4_abi::error::IpcError;
use l4_abi::message_tag::TagFlags;
use l4_abi::timeout::Expiry;

use super::{Request, finish, receive, reply, transfer, wait};
use crate::cpu::Cpu;
use crate::object::thread::{Life, Source, Thread, Waiting};
use crate::scheduling;

/// True if the receiver takes a message of the thread `sender` right now.
fn accepts(cpu: &Cpu, receiver: &Thread, sender: u64) -> bool {
    match receiver.state(cpu).waiting.get() {
        Waiting::Receive(Source::Anyone) => true,
        Waiting::Receive(Source::Thread(id)) => id == sender,
        Waiting::Nothing => receiver.takes_upcall(cpu),
        _ => false,
    }
}

/// Sends the message of `sender`, which is the current thread, to `receiver`;
/// then goes on with the receive phase.
pub fn send(cpu: &Cpu, sender: &Thread, receiver: &Thread, request: Request) {
    sender.state(cpu).request.set(request);
    let state = receiver.state(cpu);
    if state.life.get() != Life::Alive {
        finish::failed(cpu, sender, IpcError::NOT_EXISTENT);
    } else if accepts(cpu, receiver, sender.id) {
        deliver(cpu, sender, receiver, request);
    } else if request.timeouts.send().expiry() == Expiry::Zero
        || wait(cpu, sender, Waiting::Send, request.timeouts.send()).is_err()
    {
        finish::failed(cpu, sender, IpcError::SEND_TIMEOUT);
    } else {
        enqueue(cpu, sender, receiver);
    }
}

/// Puts `sender` on the list of `receiver`: behind those of its own or a
/// higher priority.
fn enqueue(cpu: &Cpu, sender: &Thread, receiver: &Thread) {
    let senders = &receiver.state(cpu).senders;
    let priority = sender.state(cpu).priority.get();
    // Mostly all have one priority; then the place is at the end.
    let last_is_before = senders
        .back(cpu)
        .is_none_or(|last| last.state(cpu).priority.get() >= priority);
    if last_is_before {
        senders.push_back(sender);
    } else {
        let mut place = senders.front(cpu);
        while let Some(other) = place {
            if other.state(cpu).priority.get() < priority {
                senders.insert_before(other, sender);
                break;
            }
            place = senders.after(cpu, other);
        }
    }
    sender.state(cpu).receiver.set(Some(receiver));
    receiver.sender_came(cpu);
}

/// Hands the message to `receiver`, which waits for it or takes upcalls.
fn deliver(cpu: &Cpu, sender: &Thread, receiver: &Thread, request: Request) {
    let state = receiver.state(cpu);
    let waited = state.waiting.replace(Waiting::Nothing);
    let open = matches!(waited, Waiting::Receive(Source::Anyone) | Waiting::Nothing);
    if waited == Waiting::Nothing {
        receiver.begin_upcall(cpu);
    }
    cpu.timeouts.remove(cpu, receiver);
    reply::end_answer(cpu, receiver);
    let result = transfer::transfer(cpu, sender, receiver, &request);
    finish::received(cpu, receiver, &request, result);
    if let Err(error) = result {
        finish::failed(cpu, sender, error);
        scheduling::make_ready(cpu, receiver);
        return;
    }
    if open && request.is_call_of(receiver.id) {
        reply::connect(cpu, receiver, sender, request.rights);
    }
    if request.receive.is_none() {
        // The sender keeps its own tag (abi/01).
        scheduling::make_ready(cpu, receiver);
        return;
    }
    let donate = !request.tag.flags().contains(TagFlags::SCHEDULE)
        && (request.is_call_of(receiver.id) || cpu.budget.is_foreign(sender));
    if receive::begin(cpu, sender, request) && donate && receiver.is_runnable(cpu) {
        scheduling::donate(cpu, receiver);
    } else {
        scheduling::make_ready(cpu, receiver);
    }
}
