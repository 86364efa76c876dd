//! Stage-2 descriptors of aarch64 with a 4 KiB granule.
//!
//! Source: Arm ARM (DDI 0487), D8.3 (descriptor formats), D8.4.2 (stage 2 permissions), D8.5.5
//! (stage 2 memory types), D8.2.4 (concatenated tables).

use l4_abi::rights::MemoryRights;

use crate::address::PhysicalAddress;
use crate::page_table::{Access, Attributes, Cache, Content, ENTRIES, Leaf, Level, order_of};

const VALID: u64 = 1 << 0;
/// A table above level 0; a page in level 0, where the manual counts level 3.
const TABLE_OR_PAGE: u64 = 1 << 1;
const MEMORY_TYPE: u64 = 0xf << 2;
const DEVICE_NGNRE: u64 = 0x1 << 2;
const NORMAL_NON_CACHEABLE: u64 = 0x5 << 2;
const NORMAL_WRITE_BACK: u64 = 0xf << 2;
const READABLE: u64 = 1 << 6;
const WRITABLE: u64 = 1 << 7;
const INNER_SHAREABLE: u64 = 0x3 << 8;
const ACCESSED: u64 = 1 << 10;
const EXECUTE_NEVER: u64 = 1 << 54;
/// Bits 47..12.
const ADDRESS: u64 = 0x0000_ffff_ffff_f000;

/// The format, with what differs between CPUs.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    address_bits: u32,
}

/// A root of level 2 can be of up to 16 tables side by side.
const CONCATENATED_BITS: u32 = 4;

impl Format {
    /// For a CPU with `physical_bits` address bits (ID_AA64MMFR0_EL1.PARange), which become the
    /// input size of stage 2: VTCR_EL2.T0SZ is 64 minus [`Format::address_bits`], SL0 is 1
    /// if [`Format::root_level`] is 2, or else 2.
    pub const fn new(physical_bits: u32) -> Format {
        let address_bits = match physical_bits {
            0..32 => 32,
            32..=48 => physical_bits,
            _ => 48,
        };
        Format { address_bits }
    }

    fn attribute_bits(attributes: Attributes) -> u64 {
        let cache = match attributes.cache {
            Cache::Cached => NORMAL_WRITE_BACK,
            Cache::Bufferable => NORMAL_NON_CACHEABLE,
            Cache::Uncached => DEVICE_NGNRE,
        };
        Self::without(cache | READABLE | WRITABLE, attributes.rights)
    }

    /// The entry without what is not among `rights`.
    #[inline(always)]
    fn without(mut entry: u64, rights: MemoryRights) -> u64 {
        if !rights.contains(MemoryRights::READ) {
            entry &= !READABLE;
        }
        if !rights.contains(MemoryRights::WRITE) {
            entry &= !WRITABLE;
        }
        if !rights.contains(MemoryRights::EXECUTE) {
            entry |= EXECUTE_NEVER;
        }
        entry
    }
}

impl Format {
    /// A leaf as all formats of this machine know it.
    #[inline(always)]
    pub(crate) fn plain(&self, leaf: u64) -> u64 {
        leaf
    }

    /// Level of the root's entries.
    #[inline]
    pub(crate) fn root_level(&self) -> Level {
        if self.address_bits <= order_of(3) + CONCATENATED_BITS {
            2
        } else {
            3
        }
    }

    /// Addresses below 2^this can be mapped.
    #[inline]
    pub fn address_bits(&self) -> u32 {
        self.address_bits
    }

    /// Physical addresses below 2^this exist.
    pub fn physical_bits(&self) -> u32 {
        self.address_bits
    }

    /// Entries in the root table as allocated: the user's part and others.
    #[inline]
    pub(crate) fn root_entries(&self) -> usize {
        let entries = 1 << (self.address_bits - order_of(self.root_level()));
        if entries < ENTRIES { ENTRIES } else { entries }
    }

    /// An entry for a table of the level below.
    #[inline]
    pub(crate) fn table(&self, table: PhysicalAddress) -> u64 {
        table.as_u64() | TABLE_OR_PAGE | VALID
    }

    /// A leaf.
    #[inline]
    pub(crate) fn leaf(&self, level: Level, leaf: Leaf) -> u64 {
        leaf.memory.as_u64()
            | VALID
            | if level == 0 { TABLE_OR_PAGE } else { 0 }
            | INNER_SHAREABLE
            | ACCESSED
            | Self::attribute_bits(leaf.attributes)
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
        let mut entry = leaf & !(ADDRESS | TABLE_OR_PAGE) | memory.as_u64();
        if level == 0 {
            entry |= TABLE_OR_PAGE;
        }
        Self::without(entry, rights)
    }

    /// What an entry of `level` says.
    #[inline(always)]
    pub(crate) fn decode(&self, level: Level, entry: u64) -> Content {
        if entry & VALID == 0 {
            return Content::Empty;
        }
        if let Some(table) = self.next_table(level, entry) {
            return Content::Table(table);
        }
        let mut rights = MemoryRights::empty();
        rights.set(MemoryRights::READ, entry & READABLE != 0);
        rights.set(MemoryRights::WRITE, entry & WRITABLE != 0);
        rights.set(MemoryRights::EXECUTE, entry & EXECUTE_NEVER == 0);
        let cache = match entry & MEMORY_TYPE {
            NORMAL_WRITE_BACK => Cache::Cached,
            NORMAL_NON_CACHEABLE => Cache::Bufferable,
            _ => Cache::Uncached,
        };
        Content::Leaf(Leaf {
            memory: PhysicalAddress::new(entry & ADDRESS),
            attributes: Attributes { rights, cache },
            access: Access::NONE,
        })
    }

    /// The table that an entry of `level` refers to, if it does.
    #[inline]
    pub(crate) fn next_table(&self, level: Level, entry: u64) -> Option<PhysicalAddress> {
        (level > 0 && entry & (VALID | TABLE_OR_PAGE) == VALID | TABLE_OR_PAGE)
            .then_some(PhysicalAddress::new(entry & ADDRESS))
    }

    /// The same leaf with other attributes.
    #[inline]
    pub(crate) fn with_attributes(&self, entry: u64, attributes: Attributes) -> u64 {
        let changed = MEMORY_TYPE | READABLE | WRITABLE | EXECUTE_NEVER;
        entry & !changed | Self::attribute_bits(attributes)
    }

    /// The bits of an entry that note `access`: none, as stage 2 does not.
    #[inline]
    pub(crate) fn access_bits(&self, _access: Access) -> u64 {
        0
    }

    /// What the bits of an entry note.
    #[inline]
    pub(crate) fn access(&self, _entry: u64) -> Access {
        Access::NONE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_have_the_bits_of_the_manual() {
        let format = Format::new(44);
        let leaf = |rights, cache| Leaf {
            memory: PhysicalAddress::new(0x4000_0000),
            attributes: Attributes { rights, cache },
            access: Access::NONE,
        };
        let text = leaf(MemoryRights::RX, Cache::Cached);
        assert_eq!(format.leaf(0, text), 0x4000_077f);
        assert_eq!(format.leaf(1, text), 0x4000_077d);
        let device = leaf(MemoryRights::RW, Cache::Uncached);
        assert_eq!(format.leaf(0, device), 0x0040_0000_4000_07c7);
        assert_eq!(format.table(PhysicalAddress::new(0x5000)), 0x5003);
    }

    #[test]
    fn the_root_starts_where_the_input_size_demands() {
        for (bits, level, entries) in [
            (36, 2, 512),
            (39, 2, 512),
            (40, 2, 1024),
            (42, 2, 4096),
            (44, 3, 512),
            (48, 3, 512),
        ] {
            let format = Format::new(bits);
            assert_eq!(
                (format.root_level(), format.root_entries()),
                (level, entries),
                "{bits}"
            );
        }
        // Larger inputs need other granules or descriptors.
        assert_eq!(Format::new(52).address_bits(), 48);
    }
}
