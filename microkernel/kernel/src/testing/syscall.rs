//! The registers of a system call.

use l4_abi::capability::Selector;
use l4_abi::message_tag::{MessageTag, TagFlags};
use l4_abi::operation::{Destination, Operation};
use l4_abi::timeout::{Timeout, TimeoutPair};

use crate::cpu::Cpu;
use crate::object::thread::Thread;

/// A system call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Syscall {
    pub(crate) selector: Selector,
    pub(crate) operation: Operation,
    pub(crate) tag: MessageTag,
    pub(crate) label: u64,
    pub(crate) timeouts: TimeoutPair,
}

impl Syscall {
    /// An operation with an empty message that waits for ever.
    pub(crate) fn new(selector: Selector, operation: Operation) -> Self {
        Self {
            selector,
            operation,
            tag: MessageTag::EMPTY,
            label: 0,
            timeouts: TimeoutPair::NEVER,
        }
    }

    /// Send through slot `index`.
    pub(crate) fn send(index: u64) -> Self {
        Self::new(Selector::new(index), Operation::SEND)
    }

    /// Syscall through slot `index`.
    pub(crate) fn call(index: u64) -> Self {
        Self::new(Selector::new(index), Operation::CALL)
    }

    /// Closed wait for what slot `index` names.
    pub(crate) fn receive(index: u64) -> Self {
        Self::new(Selector::new(index), Operation::RECEIVE)
    }

    /// Wait for anyone.
    pub(crate) fn wait() -> Self {
        Self::new(Selector::INVALID, Operation::WAIT)
    }

    /// Wait for nobody.
    pub(crate) fn sleep() -> Self {
        Self::new(Selector::INVALID, Operation::RECEIVE)
    }

    /// Reply to the last caller.
    pub(crate) fn reply() -> Self {
        Self::new(Selector::INVALID, Operation::SEND_REPLY)
    }

    /// Reply to the last caller, and wait for anyone.
    pub(crate) fn reply_and_wait() -> Self {
        Self::new(Selector::INVALID, Operation::REPLY_AND_WAIT)
    }

    /// An operation of the kernel on the object in slot `index`.
    pub(crate) fn invoke(index: u64, label: i64, words: usize) -> Self {
        Self::call(index).tag(label, words, 0)
    }

    /// The same with explicit reply slot `index`.
    pub(crate) fn reply_slot(self, index: u64) -> Self {
        Self {
            selector: Selector::reply(index),
            ..self
        }
    }

    /// With this message.
    pub(crate) fn tag(self, label: i64, words: usize, items: usize) -> Self {
        Self {
            tag: MessageTag::new(label, words, items, self.tag.flags()),
            ..self
        }
    }

    /// With these flags in the tag.
    pub(crate) fn flags(self, flags: TagFlags) -> Self {
        let tag = self.tag;
        Self {
            tag: MessageTag::new(tag.label(), tag.words(), tag.items(), flags),
            ..self
        }
    }

    /// With this label register.
    pub(crate) fn label(self, label: u64) -> Self {
        Self { label, ..self }
    }

    /// With another send timeout.
    pub(crate) fn send_timeout(self, timeout: Timeout) -> Self {
        Self {
            timeouts: TimeoutPair::new(timeout, self.timeouts.receive()),
            ..self
        }
    }

    /// With another receive timeout.
    pub(crate) fn receive_timeout(self, timeout: Timeout) -> Self {
        Self {
            timeouts: TimeoutPair::new(self.timeouts.send(), timeout),
            ..self
        }
    }
}

/// Writes the registers of `thread`.
pub(super) fn set(cpu: &Cpu, thread: &Thread, call: Syscall) {
    let frame = &thread.state(cpu).context.frame;
    frame.enter_syscall();
    frame.set_tag(call.tag.raw());
    frame.set_label(call.label);
    frame.set_destination(Destination::new(call.selector, call.operation).raw());
    frame.set_timeouts(call.timeouts.raw());
}
