//! What an entry of a page table says, and how a format says it.

use core::sync::atomic::{AtomicU64, Ordering};

use l4_abi::rights::MemoryRights;

use crate::address::PhysicalAddress;
use crate::arch::entry_format::Format;
use crate::memory::FRAME_ORDER;

/// A level of a page table, named by its leaves: 0 for 4 KiB, 1 for 2 MiB.
pub type Level = u32;

/// The highest level that can have leaves.
pub const HIGHEST_LEAF: Level = 1;
/// Binary logarithm of the entries of a table.
pub const INDEX_BITS: u32 = 9;
/// Entries of a table.
pub const ENTRIES: usize = 1 << INDEX_BITS;

/// Binary logarithm of the bytes that an entry of a level maps.
#[inline]
pub const fn order_of(level: Level) -> u32 {
    FRAME_ORDER + level * INDEX_BITS
}

/// Bytes that an entry of a level maps.
#[inline]
pub const fn size_of_page(level: Level) -> u64 {
    1 << order_of(level)
}

/// How memory is cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cache {
    /// Normal memory.
    Cached,
    /// Device memory.
    Uncached,
    /// Writes may be combined.
    Bufferable,
}

/// What a leaf allows and how its memory is cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// Allowed accesses.
    pub rights: MemoryRights,
    /// Caching.
    pub cache: Cache,
}

/// What hardware noted in a leaf. The bits are those of an unmap's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Access(u8);

impl Access {
    /// Nothing.
    pub const NONE: Access = Access(0);
    /// The page was accessed.
    pub const REFERENCED: Access = Access(1);
    /// The page was written to.
    pub const DIRTY: Access = Access(2);

    /// Both together.
    #[must_use]
    pub const fn union(self, other: Access) -> Access {
        Access(self.0 | other.0)
    }

    /// What the two lowest bits say.
    pub const fn from_bits(bits: u8) -> Access {
        Access(bits & 3)
    }

    /// As the low bits of a flexpage in an unmap's result.
    pub const fn bits(self) -> u8 {
        self.0
    }
}

/// A leaf: a page of some size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Start of the memory, aligned to the page's size.
    pub memory: PhysicalAddress,
    /// Rights and caching.
    pub attributes: Attributes,
    /// What hardware noted.
    pub access: Access,
}

/// What an entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Nothing is mapped.
    Empty,
    /// A table of the level below.
    Table(PhysicalAddress),
    /// A page.
    Leaf(Leaf),
}

/// An entry of a page table.
#[repr(transparent)]
pub struct Entry(pub(super) AtomicU64);

impl Entry {
    /// Empties the entry; what hardware had noted in the leaf.
    #[inline]
    pub fn clear(&self, format: &Format) -> Access {
        format.access(self.0.swap(0, Ordering::Relaxed))
    }

    /// Changes the attributes of a leaf.
    #[inline]
    pub fn set_attributes(&self, format: &Format, attributes: Attributes) {
        self.update(|entry| format.with_attributes(entry, attributes));
    }

    /// What hardware noted in the leaf, which then starts anew.
    #[inline]
    pub fn take_access(&self, format: &Format) -> Access {
        let noted = format.access_bits(Access::REFERENCED.union(Access::DIRTY));
        if noted == 0 || self.0.load(Ordering::Relaxed) & noted == 0 {
            return Access::NONE;
        }
        format.access(self.0.fetch_and(!noted, Ordering::Relaxed))
    }

    /// Notes `access` in the leaf, as if hardware had.
    #[inline]
    pub fn add_access(&self, format: &Format, access: Access) {
        let bits = format.access_bits(access);
        if bits != 0 {
            self.0.fetch_or(bits, Ordering::Relaxed);
        }
    }

    /// What the entry says; its level must be the right one.
    #[inline]
    pub fn content(&self, format: &Format, level: Level) -> Content {
        format.decode(level, self.0.load(Ordering::Relaxed))
    }

    #[inline]
    fn update(&self, change: impl Fn(u64) -> u64) {
        let mut entry = self.0.load(Ordering::Relaxed);
        while let Err(now) =
            self.0
                .compare_exchange_weak(entry, change(entry), Ordering::Relaxed, Ordering::Relaxed)
        {
            entry = now;
        }
    }
}
