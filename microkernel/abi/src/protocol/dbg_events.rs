//! Debugging events: who gets to know of an unhandled exception. Label zero.
//!
//! Source: `abi/08` §7.

opcodes! {
    /// Operations, 32 bit.
    pub enum Opcode {
        /// Exception frame; remote access, region map.
        RequestBacktrace = 0,
    }
}
