//! Semaphore: counts wake-ups; threads wait on it, interrupts can signal it.

use l4_abi::error::IpcError;
use l4_abi::message_tag::MessageTag;
use l4_abi::protocol::label;
use l4_abi::protocol::semaphore::Opcode;
use l4_abi::timeout::{Timeout, TimeoutPair};

use crate::ipc::{self, check, compose};
use crate::{Object, Result};

crate::object! {
    /// A semaphore.
    pub struct Semaphore;
}

impl Semaphore {
    /// Wakes the waiting thread of highest priority, or counts up.
    pub fn up(&self) -> core::result::Result<(), IpcError> {
        let tag = MessageTag::label_only(label::IRQ);
        ipc::send(self.selector(), tag, TimeoutPair::BOTH_ZERO)
    }

    /// Waits until the counter is above 0, and counts down. Needs the S right.
    ///
    /// # Errors
    /// IPC errors: receive timeout; cancelled; not existent if the semaphore is destroyed meanwhile.
    pub fn down(&self, timeout: Timeout) -> Result<()> {
        let tag = compose(label::SEMAPHORE, &[Opcode::Down.word()], &[]);
        let timeouts = TimeoutPair::new(Timeout::NEVER, timeout);
        check(ipc::call(self.selector(), tag, timeouts)?).map(|_| ())
    }
}
