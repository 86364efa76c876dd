//! What a region map is made of.

use l4_abi::capability::Selector;
use l4_abi::protocol::region_map::Flags;
use l4_abi::rights::MemoryRights;

use crate::object::ObjectId;

/// What remains of an attach's flags in the region.
pub const KEPT_FLAGS: Flags = Flags::RIGHTS
    .union(Flags::CACHING)
    .union(Flags::KERNEL)
    .union(Flags::PAGER)
    .union(Flags::RESERVED)
    .union(Flags::PRIVATE)
    .union(Flags::ANONYMOUS);
/// Bytes of a region's name that are kept.
pub const NAME_MAX: usize = 40;

/// A range of addresses that is backed by memory, or kept from being so.
#[derive(Clone, Copy, Debug)]
pub struct Region {
    /// First address.
    pub first: u64,
    /// Last address.
    pub last: u64,
    /// Rights, caching and kind: [`KEPT_FLAGS`].
    pub flags: Flags,
    /// What backs it; nothing for regions that are only reserved.
    pub memory: Option<ObjectId>,
    /// The memory was made for it, and nobody else knows it.
    pub owns_memory: bool,
    /// Where in the dataspace it begins.
    pub offset: u64,
    /// The client's selector of the dataspace, for the client's own use.
    pub client_capability: u64,
    /// Where in its file it begins, for debuggers.
    pub backing_offset: u64,
    /// Its name, for debuggers.
    pub name: Name,
}

impl Region {
    /// An area: addresses that nothing backs.
    pub(super) fn area(first: u64, last: u64, flags: Flags) -> Self {
        Self {
            first,
            last,
            flags,
            memory: None,
            owns_memory: false,
            offset: 0,
            client_capability: Selector::INVALID.raw(),
            backing_offset: 0,
            name: Name::new(&[]),
        }
    }

    /// What its task may do with the memory.
    pub fn rights(&self) -> MemoryRights {
        MemoryRights::from_bits_truncate((self.flags & Flags::RIGHTS).bits() as u8)
    }
}

/// A short text.
#[derive(Clone, Copy, Debug)]
pub struct Name {
    length: u8,
    bytes: [u8; NAME_MAX],
}

impl Name {
    /// As much of `text` as fits.
    pub fn new(text: &[u8]) -> Self {
        let length = text.len().min(NAME_MAX);
        let mut bytes = [0; NAME_MAX];
        bytes[..length].copy_from_slice(&text[..length]);
        Self {
            length: length as u8,
            bytes,
        }
    }

    /// The text.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length as usize]
    }
}
