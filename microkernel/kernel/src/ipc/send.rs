//! The send phase.

use l4_abi::error::IpcError;
use l4_abi::message_tag::TagFlags;
use l4_abi::timeout::Expiry;

use super::{Request, finish, receive, reply, transfer, wait};
use crate::cpu::Cpu;
use crate::object::thread::{Deferred, Life, Source, Thread, Waiting};
use crate::{remote, scheduling};

/// True if the receiver takes a message of the thread `sender` right now.
fn accepts(cpu: &Cpu, receiver: &Thread, sender: u64) -> bool {
    match receiver.state(cpu).waiting.get() {
        Waiting::Receive(Source::Anyone) => true,
        Waiting::Receive(Source::Thread(id)) => id == sender,
        Waiting::Nothing => receiver.takes_upcall(cpu).is_some(),
        _ => false,
    }
}

/// Sends the message of `sender`, which is on this CPU as `receiver` is; then
/// goes on with the receive phase.
/// If that has to pause it does `again` later.
pub fn send(cpu: &Cpu, sender: &Thread, receiver: &Thread, request: Request, again: Deferred) {
    sender.state(cpu).request.set(request);
    let state = receiver.state(cpu);
    if state.life.get() != Life::Alive {
        finish::failed(cpu, sender, IpcError::NOT_EXISTENT);
        return;
    }
    if accepts(cpu, receiver, sender.id) {
        let both = [sender, receiver];
        let Some(items) = transfer::items(cpu, both, &request, sender, again) else {
            return;
        };
        if reply::end_answer(cpu, receiver) {
            deliver(cpu, sender, receiver, request, items);
            return;
        }
    }
    if request.timeouts.send().expiry() == Expiry::Zero
        || wait(cpu, sender, Waiting::Send, request.timeouts.send()).is_err()
    {
        finish::failed(cpu, sender, IpcError::SEND_TIMEOUT);
    } else {
        enqueue(cpu, sender, receiver, request.label);
    }
}

/// Puts `sender` into the mailbox of `receiver`. It waits on the CPU on which
/// the receiver will look for it.
fn enqueue(cpu: &Cpu, sender: &Thread, receiver: &Thread, label: u64) {
    let state = sender.state(cpu);
    state.receiver.replace(receiver.counted());
    receiver
        .mailbox
        .add(cpu, sender, state.priority.get(), label);
    receiver.sender_came(cpu);
    if !receiver.lives_here(cpu) {
        remote::send_off(cpu, sender, receiver.residence());
    }
}

/// Hands the message to `receiver`, which waits for it or takes upcalls.
fn deliver(
    cpu: &Cpu,
    sender: &Thread,
    receiver: &Thread,
    request: Request,
    items: Result<(), IpcError>,
) {
    let waited = receiver.set_waiting(cpu, Waiting::Nothing);
    let open = matches!(waited, Waiting::Receive(Source::Anyone) | Waiting::Nothing);
    if waited == Waiting::Nothing {
        receiver.begin_upcall(cpu);
    }
    cpu.timeouts.remove(cpu, receiver);
    let result = transfer::transfer(cpu, sender, receiver, &request, items);
    finish::received(cpu, receiver, &request, result);
    if let Err(error) = result {
        finish::failed(cpu, sender, error);
        scheduling::make_ready(cpu, receiver);
        return;
    }
    if request.receive.is_none() {
        // The sender keeps its own tag (abi/01).
        scheduling::make_ready(cpu, receiver);
        return;
    }
    let calls = request.is_call_of(receiver.id);
    let waits = receive::begin(cpu, sender, request, calls);
    if calls && open {
        match waits {
            true => reply::connect(cpu, receiver, sender, request.rights),
            false => reply::disconnect(cpu, receiver),
        }
    }
    // Nobody donates to or from another CPU.
    let donates = waits
        && !request.tag.flags().contains(TagFlags::SCHEDULE)
        && (calls || !cpu.budget.is_of(sender))
        && cpu.current.is(sender)
        && receiver.lives_here(cpu)
        && receiver.is_runnable(cpu);
    if donates {
        scheduling::donate(cpu, receiver);
    } else {
        scheduling::make_ready(cpu, receiver);
    }
}
