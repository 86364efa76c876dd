//! Meta: which interfaces a server has. Kernel objects do not speak it.
//!
//! Source: `abi/08` §1.

opcodes! {
    /// Operations, 32 bit.
    pub enum Opcode {
        /// The result is the number of interfaces.
        InterfaceCount = 0,
        /// Index. Answers with label and name.
        Interface = 1,
        /// Label. The result is one or zero.
        Supports = 2,
    }
}
