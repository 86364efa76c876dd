//! The destination word of a system call: a selector and the IPC operation.
//!
//! Source: `abi/01` (`dest` operation flags).

use crate::flags::flags;

use crate::capability::{Selector, Target};

flags! {
    /// The phases of an IPC operation, bits 3..0 of the destination word.
    pub struct Operation: u64 {
        /// Send phase.
        const SEND = 1;
        /// Receive phase.
        const RECEIVE = 2;
        /// The receive phase takes any sender.
        const OPEN_WAIT = 4;
        /// Send through a reply capability.
        const REPLY = 8;
        /// Send, then wait for the partner.
        const CALL = 0x3;
        /// Wait for anyone.
        const WAIT = 0x6;
        /// Send, then wait for anyone.
        const SEND_AND_WAIT = 0x7;
        /// Reply, without a wait.
        const SEND_REPLY = 0x9;
        /// Reply, then wait for anyone.
        const REPLY_AND_WAIT = 0xf;
    }
}

/// The destination register: a [`Selector`] with the [`Operation`] in its low bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Destination(u64);

impl Destination {
    /// Joins selector and operation.
    pub const fn new(selector: Selector, operation: Operation) -> Destination {
        Destination(selector.raw() & !Operation::all().bits() | operation.bits())
    }

    /// Takes a register as it is.
    pub const fn from_raw(raw: u64) -> Destination {
        Destination(raw)
    }

    /// The word as it goes into the register.
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// The selector, without the operation bits.
    pub const fn selector(self) -> Selector {
        Selector::from_raw(self.0 & !Operation::all().bits())
    }

    /// The operation.
    pub const fn operation(self) -> Operation {
        Operation::from_bits_truncate(self.0)
    }

    /// What the system call addresses.
    pub const fn target(self) -> Target {
        self.selector().target(self.operation())
    }
}
