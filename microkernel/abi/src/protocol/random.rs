//! Random numbers. Label zero.
//!
//! Source: `abi/08` §7.

opcodes! {
    /// Operations, 32 bit.
    pub enum Opcode {
        /// Number of bytes. Answers with them.
        GetRandom = 0,
    }
}
