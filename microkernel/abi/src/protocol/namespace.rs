//! Namespace: names for capabilities.
//!
//! Source: `abi/08` §6.

use crate::flags::flags;

flags! {
    /// Flags of an entry.
    pub struct Flags: u32 {
        /// W on the capability.
        const WRITE = 0x01;
        /// S on the capability.
        const STRONG = 0x02;
        /// Read only.
        const RO = 0x04;
        /// Read and write.
        const RW = Self::RO.bits() | Self::WRITE.bits();
        /// Read and special.
        const RS = Self::RO.bits() | Self::STRONG.bits();
        /// Read, write and special.
        const RWS = Self::RW.bits() | Self::STRONG.bits();
        /// Obsolete.
        const TRUSTED = 0x08;
        /// Replace an entry.
        const OVERWRITE = 0x200;
    }
}

/// Flag in the result of a query: the name leads on from here.
pub const PARTLY_RESOLVED: i64 = 0x20;
/// Separates parts of a name.
pub const SEPARATOR: u8 = b'/';
