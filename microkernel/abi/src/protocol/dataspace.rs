//! Dataspace: a piece of memory that can be mapped.
//!
//! Source: `abi/08` §3.

use crate::flags::flags;

opcodes! {
    /// Operations, 32 bit.
    pub enum Opcode {
        /// Offset, spot, flags; receive window. Answers with an item.
        Map = 0,
        /// Fill with zeros: offset, size.
        Clear = 1,
        /// Answers with size and flags.
        Info = 2,
        /// Copy from another dataspace: offset, source offset, size, item.
        CopyIn = 3,
        /// Make sure that memory is there: offset, size.
        Allocate = 4,
        /// Answers with the addresses for a fixed mapping.
        MapInfo = 5,
    }
}

flags! {
    /// Rights and caching of a mapping.
    pub struct Flags: u64 {
        /// Fetch instructions.
        const EXECUTE = 0x01;
        /// Store.
        const WRITE = 0x02;
        /// Load.
        const READ = 0x04;
        /// Write-combining.
        const BUFFERABLE = 0x10;
        /// Uncached.
        const UNCACHED = 0x20;
        /// Read and write.
        const RW = Self::READ.bits() | Self::WRITE.bits();
        /// Read and execute.
        const RX = Self::READ.bits() | Self::EXECUTE.bits();
        /// Read, write and execute.
        const RWX = Self::RW.bits() | Self::EXECUTE.bits();
        /// All rights.
        const RIGHTS = 0x0f;
        /// All bits that tell the caching.
        const CACHING = 0x30;
    }
}
