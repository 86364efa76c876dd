//! IRQ sender: an interrupt, of hardware or software, that arrives as a message.

use l4_abi::error::IpcError;
use l4_abi::message_tag::MessageTag;
use l4_abi::operation::Operation;
use l4_abi::protocol::icu::UNMASK_ARGUMENT;
use l4_abi::protocol::irq::{BindOpcode, Opcode};
use l4_abi::protocol::label;
use l4_abi::rights::CapabilityRights;
use l4_abi::timeout::{Timeout, TimeoutPair};

use super::Thread;
use crate::ipc::{self, compose, invoke};
use crate::{Cap, Object, Result};

crate::object! {
    /// An interrupt.
    pub struct Irq;
}

impl Irq {
    /// Makes the interrupt arrive at `thread` with `label` (any 64-bit value).
    ///
    /// Needs the S right on both.
    pub fn bind_thread(&self, thread: Cap<Thread>, label: u64) -> Result<()> {
        let thread = thread.pass(CapabilityRights::READ).item();
        let words = [BindOpcode::BindThread.word(), label];
        invoke(self.selector(), label::KERNEL_OBJECT, &words, &[thread]).map(|_| ())
    }

    /// Behaves as if the interrupt came. Several triggers before it is received are one message.
    #[inline]
    pub fn trigger(&self) -> core::result::Result<(), IpcError> {
        let tag = MessageTag::label_only(label::IRQ);
        ipc::send(self.selector(), tag, TimeoutPair::BOTH_ZERO)
    }

    /// Lets the next interrupt come; a new interrupt is masked.
    pub fn unmask(&self) -> core::result::Result<(), IpcError> {
        let tag = compose(label::IRQ, &[Opcode::Unmask.word(), UNMASK_ARGUMENT], &[]);
        ipc::send(self.selector(), tag, TimeoutPair::NEVER)
    }

    /// Unmasks the interrupt and waits for it; it must be bound to the calling thread.
    pub fn receive(&self, timeout: Timeout) -> core::result::Result<(), IpcError> {
        let tag = compose(label::IRQ, &[Opcode::Unmask.word()], &[]);
        let timeouts = TimeoutPair::new(Timeout::NEVER, timeout);
        ipc::operate(self.selector(), Operation::CALL, tag, 0, timeouts).map(|_| ())
    }
}
