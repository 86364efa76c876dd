//! Faults and exceptions as messages from the kernel.
//!
//! Source: `abi/03` §6–7 (messages), `abi/02` (frames). The frames differ per architecture:
//! `arch::x86_64::ExceptionFrame` and `arch::aarch64::ExceptionFrame`.

pub use crate::arch::native::ExceptionFrame;
use crate::message_tag::{MessageTag, TagFlags};
use crate::protocol::label;

/// Words of an exception message and of the shortest reply that changes registers.
pub const FRAME_WORDS: usize = size_of::<ExceptionFrame>() / 8;

/// Reply label that lets an alien thread execute its system call.
pub const ALLOW_SYSCALL: i64 = 1;

/// Tag of a page-fault message: fault word and instruction pointer.
pub const PAGE_FAULT_TAG: MessageTag = MessageTag::words_only(label::PAGE_FAULT, 2);

/// Tag of an exception message with a frame of `words` words.
pub const fn tag(words: usize) -> MessageTag {
    MessageTag::new(label::EXCEPTION, words, 0, TagFlags::TRANSFER_FPU)
}

/// First word of a page-fault message: fault address with the kind of access in bits 2..0.
///
/// Bit 0 has opposite meanings on the two architectures; the constructors and accessors of
/// `arch::*::fault` know which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct FaultWord(u64);

impl FaultWord {
    /// Bit 0. x86_64: the page is present; aarch64: it is not.
    pub const PRESENCE: u64 = 1;
    /// Bit 1: the access was a write.
    pub const WRITE: u64 = 2;
    /// Bit 2: the access was an instruction fetch.
    pub const FETCH: u64 = 4;
    const FLAGS: u64 = 7;

    /// Joins address and flags.
    pub const fn new(address: u64, flags: u64) -> FaultWord {
        FaultWord(address & !Self::FLAGS | flags & Self::FLAGS)
    }

    /// Takes a word as it is.
    pub const fn from_raw(raw: u64) -> FaultWord {
        FaultWord(raw)
    }

    /// The word as it goes into the message.
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// The fault address, rounded down to 8 bytes.
    pub const fn address(self) -> u64 {
        self.0 & !Self::FLAGS
    }

    /// Whether the access was a write.
    pub const fn is_write(self) -> bool {
        self.0 & Self::WRITE != 0
    }

    /// Whether the access was an instruction fetch.
    pub const fn is_fetch(self) -> bool {
        self.0 & Self::FETCH != 0
    }
}
