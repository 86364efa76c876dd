//! Parent: who started the program and wants to know its end.
//!
//! Source: `abi/08` §7.

opcodes! {
    /// Operations, 32 bit.
    pub enum Opcode {
        /// Signal, value.
        Signal = 0,
    }
}

/// Signal: the program exits, the value is its exit code. There is no reply.
pub const SIGNAL_EXIT: u64 = 0;
