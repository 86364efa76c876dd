//! Page-table entries of x86_64, also as AMD's nested paging has them. Those of Intel's extended
//! paging are translated from and to them.
//!
//! Source: Intel SDM volume 3, 4.5 (4-level paging) and 4.9.2 (page attribute table).

#[cfg_attr(feature = "vmx", path = "vmx/entries.rs")]
#[cfg_attr(not(feature = "vmx"), path = "vmx/absent/entries.rs")]
mod extended;

use l4_abi::rights::MemoryRights;

use crate::address::PhysicalAddress;
use crate::page_table::{Access, Attributes, Cache, Content, ENTRIES, Leaf, Level};
use extended::Form;

const PRESENT: u64 = 1 << 0;
const WRITABLE: u64 = 1 << 1;
const USER: u64 = 1 << 2;
const WRITE_THROUGH: u64 = 1 << 3;
const CACHE_DISABLE: u64 = 1 << 4;
/// Where hardware notes accesses: accessed, and dirty above it, as in [`Access`].
const ACCESS_SHIFT: u32 = 5;
/// In level 1: a leaf.
const LARGE: u64 = 1 << 7;
const NO_EXECUTE: u64 = 1 << 63;
/// Bits 51..12, of which a large leaf's bit 12 is always zero here.
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// What IA32_PAT must hold for the cache attributes here to mean what they say: entry 0
/// write-back, entry 1 write-combining, entry 2 weakly uncached, entry 3 uncached; the same again
/// above.
pub const PAGE_ATTRIBUTE_TABLE: u64 = 0x0007_0106_0007_0106;

/// The format, with what differs between CPUs.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    root_level: Level,
    address_bits: u32,
    physical_bits: u32,
    form: Form,
}

/// Binary logarithm of the ports there are, and of what one takes in tables as these.
const PORT_ADDRESS_BITS: u32 = 16 + 12;

impl Format {
    /// For I/O ports, which only software looks for: a port is a page of 4 KiB.
    pub const IO_PORTS: Format = Format {
        root_level: 1,
        address_bits: PORT_ADDRESS_BITS,
        physical_bits: PORT_ADDRESS_BITS,
        form: Form::PLAIN,
    };

    /// For a CPU with `physical_bits` address bits (CPUID 0x8000_0008).
    pub const fn new(physical_bits: u32) -> Format {
        Format {
            root_level: 3,
            address_bits: 47,
            physical_bits: if physical_bits < 52 {
                physical_bits
            } else {
                52
            },
            form: Form::PLAIN,
        }
    }

    /// The same for virtual machines, whose tables are theirs alone.
    #[must_use]
    pub const fn for_guests(self) -> Format {
        Format {
            address_bits: 48,
            ..self
        }
    }

    fn attribute_bits(attributes: Attributes) -> u64 {
        let cache = match attributes.cache {
            Cache::Cached => 0,
            Cache::Bufferable => WRITE_THROUGH,
            Cache::Uncached => WRITE_THROUGH | CACHE_DISABLE,
        };
        Self::without(cache | WRITABLE, attributes.rights)
    }

    /// The entry without what is not among `rights`.
    #[inline(always)]
    fn without(mut entry: u64, rights: MemoryRights) -> u64 {
        if !rights.contains(MemoryRights::WRITE) {
            entry &= !WRITABLE;
        }
        if !rights.contains(MemoryRights::EXECUTE) {
            entry |= NO_EXECUTE;
        }
        entry
    }
}

impl Format {
    /// Level of the root's entries.
    #[inline]
    pub(crate) fn root_level(&self) -> Level {
        self.root_level
    }

    /// Addresses below 2^this can be mapped.
    #[inline]
    pub fn address_bits(&self) -> u32 {
        self.address_bits
    }

    /// Physical addresses below 2^this exist.
    pub fn physical_bits(&self) -> u32 {
        self.physical_bits
    }

    /// Entries in the root table as allocated: the user's part and others.
    #[inline]
    pub(crate) fn root_entries(&self) -> usize {
        // With their links, those of the ports' root fill a frame.
        if self.root_level == 3 {
            ENTRIES
        } else {
            ENTRIES / 2
        }
    }

    /// An entry for a table of the level below.
    #[inline]
    pub(crate) fn table(&self, table: PhysicalAddress) -> u64 {
        table.as_u64() | PRESENT | WRITABLE | USER
    }

    /// A leaf.
    #[inline]
    pub(crate) fn leaf(&self, level: Level, leaf: Leaf) -> u64 {
        self.in_own_form(
            leaf.memory.as_u64()
                | PRESENT
                | USER
                | if level == 0 { 0 } else { LARGE }
                | Self::attribute_bits(leaf.attributes)
                | u64::from(leaf.access.bits()) << ACCESS_SHIFT,
        )
    }

    /// A leaf as all formats of this machine know it.
    #[inline(always)]
    pub(crate) fn plain(&self, leaf: u64) -> u64 {
        self.to_plain(leaf)
    }

    /// A leaf of `level` for `memory` that is otherwise as the plain `leaf`, but has no more than
    /// `rights`.
    #[inline(always)]
    pub(crate) fn part(
        &self,
        leaf: u64,
        level: Level,
        memory: PhysicalAddress,
        rights: MemoryRights,
    ) -> u64 {
        let mut entry = leaf & !(ADDRESS | LARGE) | memory.as_u64();
        if level > 0 {
            entry |= LARGE;
        }
        self.in_own_form(Self::without(entry, rights))
    }

    /// What an entry of `level` says.
    #[inline(always)]
    pub(crate) fn decode(&self, level: Level, entry: u64) -> Content {
        if entry & PRESENT == 0 {
            return Content::Empty;
        }
        if let Some(table) = self.next_table(level, entry) {
            return Content::Table(table);
        }
        let access = self.access(entry);
        let entry = self.plain(entry);
        let mut rights = MemoryRights::READ;
        rights.set(MemoryRights::WRITE, entry & WRITABLE != 0);
        rights.set(MemoryRights::EXECUTE, entry & NO_EXECUTE == 0);
        let cache = match entry & (WRITE_THROUGH | CACHE_DISABLE) {
            0 => Cache::Cached,
            WRITE_THROUGH => Cache::Bufferable,
            _ => Cache::Uncached,
        };
        Content::Leaf(Leaf {
            memory: PhysicalAddress::new(entry & ADDRESS),
            attributes: Attributes { rights, cache },
            access,
        })
    }

    /// The table that an entry of `level` refers to, if it does.
    #[inline]
    pub(crate) fn next_table(&self, level: Level, entry: u64) -> Option<PhysicalAddress> {
        (level > 0 && entry & (PRESENT | LARGE) == PRESENT)
            .then_some(PhysicalAddress::new(entry & ADDRESS))
    }

    /// The same leaf with other attributes.
    #[inline]
    pub(crate) fn with_attributes(&self, entry: u64, attributes: Attributes) -> u64 {
        let changed = WRITABLE | NO_EXECUTE | WRITE_THROUGH | CACHE_DISABLE;
        self.in_own_form(self.plain(entry) & !changed | Self::attribute_bits(attributes))
    }

    /// The bits of an entry that note `access`.
    #[inline]
    pub(crate) fn access_bits(&self, access: Access) -> u64 {
        u64::from(access.bits()) << self.access_shift()
    }

    /// What the bits of an entry note.
    #[inline]
    pub(crate) fn access(&self, entry: u64) -> Access {
        Access::from_bits((entry >> self.access_shift()) as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const FORMAT: Format = Format::new(40);

    pub(super) fn leaf(rights: MemoryRights, cache: Cache) -> Leaf {
        Leaf {
            memory: PhysicalAddress::new(0x40_0000_0000),
            attributes: Attributes { rights, cache },
            access: Access::NONE,
        }
    }

    #[test]
    fn entries_have_the_bits_of_the_manual() {
        let text = leaf(MemoryRights::RX, Cache::Cached);
        assert_eq!(FORMAT.leaf(0, text), 0x40_0000_0005);
        assert_eq!(FORMAT.leaf(1, text), 0x40_0000_0085);
        let device = leaf(MemoryRights::RW, Cache::Uncached);
        assert_eq!(FORMAT.leaf(1, device), 0x8000_0040_0000_009f);
        assert_eq!(FORMAT.table(PhysicalAddress::new(0x5000)), 0x5007);
    }

    #[test]
    fn pages_are_always_readable() {
        let entry = FORMAT.leaf(0, leaf(MemoryRights::WRITE, Cache::Cached));
        let shown = FORMAT.decode(0, entry);
        assert_eq!(shown, Content::Leaf(leaf(MemoryRights::RW, Cache::Cached)));
    }

    #[test]
    fn what_hardware_notes_is_where_the_manual_says() {
        assert_eq!(FORMAT.access_bits(Access::REFERENCED), 1 << 5);
        assert_eq!(FORMAT.access_bits(Access::DIRTY), 1 << 6);
        assert_eq!(FORMAT.access(!(1 << 6)), Access::REFERENCED);
        assert_eq!(FORMAT.access(!(1 << 5)), Access::DIRTY);
    }
}
