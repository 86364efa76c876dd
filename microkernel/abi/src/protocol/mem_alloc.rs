//! Memory allocator: a server's factory for dataspaces and other objects.
//!
//! Objects are created by the [factory](super::factory) protocol; the type is the label of the
//! object's protocol.
//!
//! Source: `abi/08` §5.

use crate::flags::flags;

opcodes! {
    /// Operations with label [`MEM_ALLOC`](super::label::MEM_ALLOC), 32 bit.
    pub enum Opcode {
        /// Answers with five words: [`info_word`].
        Info = 0,
    }
}

/// Words of the answer to [`Opcode::Info`].
pub mod info_word {
    /// Quota in bytes.
    pub const QUOTA: usize = 0;
    /// Used part of it.
    pub const QUOTA_USED: usize = 1;
    /// Memory limit in bytes.
    pub const MEMORY_LIMIT: usize = 2;
    /// Used memory.
    pub const MEMORY_USED: usize = 3;
    /// Free memory.
    pub const MEMORY_FREE: usize = 4;
}

flags! {
    /// Second argument for a new dataspace.
    pub struct DataspaceFlags: u64 {
        /// Physically contiguous.
        const CONTINUOUS = 1;
        /// Allocated at once, for good.
        const PINNED = 2;
        /// Large pages where possible.
        const SUPER_PAGES = 4;
        /// At a physical address: fourth argument.
        const FIXED_ADDRESS = 8;
    }
}
