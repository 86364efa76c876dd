//! Dataspace: a piece of memory that can be mapped.
//!
//! Source: `abi/08` §3.

use crate::flags::flags;

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
