//! Kernel debugger. A message without words enters it.
//!
//! Word 0 holds the group in bits 15..8 and the operation in bits 7..0.
//!
//! Source: `abi/05` (Jdb).

#[cfg(feature = "debugger")]
mod operations;

#[cfg(feature = "debugger")]
pub use operations::{ConsoleOpcode, group};

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
