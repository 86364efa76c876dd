//! Kernel debugger. A message without words enters it.
//!
//! Word 0 holds the group in bits 15..8 and the operation in bits 7..0.
//!
//! Source: `abi/05` (Jdb).

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
    /// Operations on kernel objects, word 0; the item is the object.
    pub enum ObjectOpcode {
        /// Name from word 1 on.
        SetName = 0x100,
        /// Answers with the object's number.
        GlobalId = 0x101,
        /// Number of an object's address.
        PointerToId = 0x102,
        /// Number of a trace event.
        LogTypeId = 0x103,
        /// Switch a trace event.
        LogSwitch = 0x104,
        /// Name of a number.
        NameOfId = 0x105,
        /// Name of a trace event.
        QueryLogName = 0x106,
        /// A loaded image: base, name.
        AddImageInfo = 0x107,
        /// Answers with the name.
        GetName = 0x108,
        /// Information about the object.
        ObjectInfo = 0x110,
    }
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
