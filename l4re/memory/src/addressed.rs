//! Memory by the addresses that others use in it.

use crate::{Access, Shared};

/// Memory that somebody else may change, or take away, at any time.
///
/// Addresses are those that the others use: a guest's physical ones, or as a driver registered it.
/// Every access is checked, and fails as a whole if not all bytes are there.
pub trait Memory {
    /// Copies from `address` on into `target`.
    fn read(&self, address: u64, target: &mut [u8]) -> Access;
    /// Copies `source` to `address`.
    fn write(&self, address: u64, source: &[u8]) -> Access;
    /// Reads the aligned word at once, before everything that is read later (acquire).
    fn load(&self, address: u64) -> Access<u16>;
    /// Writes the aligned word at once, after everything that was written before (release).
    fn store(&self, address: u64, word: u16) -> Access;
}

/// Addresses are offsets in the mapping.
impl Memory for Shared {
    fn read(&self, address: u64, target: &mut [u8]) -> Access {
        self.try_read(address, target)
    }

    fn write(&self, address: u64, source: &[u8]) -> Access {
        self.try_write(address, source)
    }

    fn load(&self, address: u64) -> Access<u16> {
        self.try_load(address)
    }

    fn store(&self, address: u64, word: u16) -> Access {
        self.try_store(address, word)
    }
}
