//! Touching memory, with the runner as pager.

use l4_abi::exception::FaultWord;
use l4_abi::protocol::label;
use l4_sys::object::{Control, Thread};
use l4_sys::{Cap, Object};

use crate::message::{Message, receive, word};
use crate::own;
use crate::suite::PRIORITY;
use crate::worker::{Worker, spawn_at};
use l4_abi::timeout::Timeout;

/// What became of touching memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touch {
    /// It worked, and brought this value.
    Value(u64),
    /// It raised a page fault.
    Fault(FaultWord),
}

/// Reads the word at `address` in a thread of its own.
pub fn read(address: u64) -> Touch {
    touch(move || crate::memory::load(address))
}

/// Writes the word at `address` in a thread of its own.
pub fn write(address: u64, value: u64) -> Touch {
    touch(move || {
        crate::memory::store(address, value);
        value
    })
}

/// Whether a read and a write of the word at `address` work. The value stays.
pub fn access(address: u64) -> (bool, bool) {
    let Touch::Value(value) = read(address) else {
        return (false, false);
    };
    (true, write(address, value) == Touch::Value(value))
}

/// A thread whose page faults and exceptions arrive at the runner; it runs when the runner waits.
pub fn spawn_paged<R: 'static>(body: impl FnOnce() -> R + 'static) -> Worker<R> {
    spawn_paged_by(own::thread(), body)
}

/// As [`spawn_paged`], with another pager and exception handler.
pub fn spawn_paged_by<R: 'static>(
    handler: Cap<Thread>,
    body: impl FnOnce() -> R + 'static,
) -> Worker<R> {
    let worker = spawn_at(PRIORITY - 1, body);
    let handler = Some(handler.selector());
    let control = Control {
        pager: handler,
        exception_handler: handler,
        ..Control::default()
    };
    worker
        .thread()
        .control(control)
        .expect("cannot set the pager");
    worker
}

fn touch(access: impl FnOnce() -> u64 + 'static) -> Touch {
    let worker = spawn_paged(move || {
        let value = access();
        Message::new(0).words(&[value]).send(*own::thread());
    });
    let reply = receive(*worker.thread(), Timeout::NEVER);
    match reply.tag.label() {
        label::PAGE_FAULT => Touch::Fault(FaultWord::from_raw(word(0))),
        0 => Touch::Value(word(0)),
        other => panic!("neither a value nor a page fault but {other}"),
    }
}
