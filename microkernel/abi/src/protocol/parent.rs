//! Parent: who started the program and wants to know its end.
//!
//! Source: `abi/08` §7.

/// The operation: signal, value; 32 bit.
pub const SIGNAL: i32 = 0;
/// Signal: the program exits, the value is its exit code. There is no reply.
pub const SIGNAL_EXIT: u64 = 0;
