//! MMIO space: device registers by message.
//!
//! Source: `abi/08` §7.

opcodes! {
    /// Operations, 32 bit.
    pub enum Opcode {
        /// Address, width. Answers with the value.
        Read = 0,
        /// Address, width, value.
        Write = 1,
    }
}
