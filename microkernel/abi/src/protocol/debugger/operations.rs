//! What only kernels with a debugger know: groups of operations, and those on its console.

/// Groups of operations.
pub mod group {
    /// Console of the debugger.
    pub const CONSOLE: u64 = 0x000;
    /// Kernel objects; the object is an item.
    pub const OBJECT: u64 = 0x100;
    /// Trace buffer.
    pub const TRACE: u64 = 0x200;
    /// Code coverage.
    pub const COVERAGE: u64 = 0x400;
    /// Kernel memory statistics.
    pub const KERNEL_MEMORY: u64 = 0x500;
}

opcodes! {
    /// Operations on the console, word 0.
    pub enum ConsoleOpcode {
        /// Enter the debugger: length, text.
        Enter = 0,
        /// One character.
        OutCharacter = 1,
        /// Length, text.
        OutString = 2,
        /// 32-bit number.
        OutHex32 = 3,
        /// 20-bit number.
        OutHex20 = 4,
        /// 16-bit number.
        OutHex16 = 5,
        /// 12-bit number.
        OutHex12 = 6,
        /// 8-bit number.
        OutHex8 = 7,
        /// Decimal number.
        OutDecimal = 8,
    }
}
