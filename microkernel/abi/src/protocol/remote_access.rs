//! Remote access: a program's memory, for debuggers.
//!
//! Source: `abi/08` §7.

opcodes! {
    /// Operations, 32 bit.
    pub enum Opcode {
        /// Address, width. Answers with the value.
        ReadMemory = 0,
        /// Address, width, value.
        WriteMemory = 1,
        /// Exit code. No reply.
        Terminate = 2,
    }
}
