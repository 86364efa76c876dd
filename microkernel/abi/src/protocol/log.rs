//! Log: the kernel's console, and every server that is one.
//!
//! Also an [interrupt controller](super::icu) with one pin: input came.
//!
//! Source: `abi/05` (Vlog).

use crate::flags::flags;

opcodes! {
    /// Operations, word 0 bits 15..0.
    pub enum Opcode {
        /// Number of bytes, bytes. No reply.
        Write = 0,
        /// Read at most so many bytes as bits 31..16 of word 0 say. Needs W.
        Read = 1,
        /// Input, output and local flags.
        SetAttributes = 2,
        /// Answers with the flags in words 1 to 3.
        GetAttributes = 3,
    }
}

/// The pin of the interrupt controller.
pub const INPUT_PIN: u64 = 0;
/// Bits of word 0 that are the operation.
pub const OPCODE_MASK: u64 = 0xffff;
/// Most bytes of one write.
pub const WRITE_SIZE: usize = 61 * 8;
/// Most bytes of one read.
pub const READ_SIZE: usize = 62 * 8;
/// Message word where data begins in a write.
pub const WRITE_DATA_WORD: usize = 2;
/// Message word where data begins in the answer to a read.
pub const READ_DATA_WORD: usize = 1;
/// Flag in word 0 of the answer to a read: no more input.
pub const READ_DONE: u64 = 1 << 31;
/// Flag in word 0 of the answer to a read: a break came.
pub const READ_BREAK: u64 = 1 << 30;
/// Bits of word 0 of the answer to a read that are the number of bytes.
pub const READ_COUNT_MASK: u64 = READ_BREAK - 1;

flags! {
    /// Treatment of input.
    pub struct InputFlags: u64 {
        /// Newline becomes carriage return.
        const INLCR = 0o100;
        /// Carriage return is dropped.
        const IGNCR = 0o200;
        /// Carriage return becomes newline.
        const ICRNL = 0o400;
    }
}

flags! {
    /// Treatment of output.
    pub struct OutputFlags: u64 {
        /// Newline becomes carriage return and newline; always on.
        const ONLCR = 0o4;
        /// Carriage return becomes newline.
        const OCRNL = 0o10;
        /// Carriage return is dropped.
        const ONLRET = 0o40;
    }
}

flags! {
    /// Line discipline.
    pub struct LocalFlags: u64 {
        /// Whole lines.
        const ICANON = 0o2;
        /// Echo input.
        const ECHO = 0o10;
    }
}
