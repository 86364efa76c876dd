//! Leaves of extended page tables, from and to those of others (SDM volume 3,
//! 29.3.2). What allows reading and writing, and what tells that a leaf is large,
//! is in the same place; tables are the same.

use super::{
    ACCESS_SHIFT, ADDRESS, CACHE_DISABLE, Format, LARGE, NO_EXECUTE, PRESENT, USER, WRITABLE,
    WRITE_THROUGH,
};

const SAME: u64 = ADDRESS | LARGE | WRITABLE | PRESENT;
const EXECUTE: u64 = 1 << 2;
const KIND: u64 = 7 << 3;
const WRITE_COMBINING: u64 = 1 << 3;
const WRITE_BACK: u64 = 6 << 3;
/// Where hardware notes accesses.
const EXTENDED_ACCESS_SHIFT: u32 = 8;
const ACCESS: u64 = 3;

/// Whether leaves are extended tables'.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form(bool);

impl Form {
    pub(super) const PLAIN: Self = Self(false);
}

impl Format {
    /// The same as extended tables.
    #[must_use]
    pub fn extended(self) -> Format {
        Format {
            form: Form(true),
            ..self
        }
    }

    /// A leaf as it is in tables of this format.
    #[inline(always)]
    pub(super) fn in_own_form(&self, leaf: u64) -> u64 {
        if self.form.0 { extend(leaf) } else { leaf }
    }

    /// The reverse.
    #[inline(always)]
    pub(super) fn to_plain(self, leaf: u64) -> u64 {
        if self.form.0 { reduce(leaf) } else { leaf }
    }

    #[inline(always)]
    pub(super) fn access_shift(&self) -> u32 {
        if self.form.0 {
            EXTENDED_ACCESS_SHIFT
        } else {
            ACCESS_SHIFT
        }
    }
}

#[cold]
fn extend(leaf: u64) -> u64 {
    let kind = match leaf & (WRITE_THROUGH | CACHE_DISABLE) {
        0 => WRITE_BACK,
        WRITE_THROUGH => WRITE_COMBINING,
        _ => 0,
    };
    let execute = if leaf & NO_EXECUTE == 0 { EXECUTE } else { 0 };
    leaf & SAME | kind | execute | (leaf >> ACCESS_SHIFT & ACCESS) << EXTENDED_ACCESS_SHIFT
}

#[cold]
fn reduce(extended: u64) -> u64 {
    let cache = match extended & KIND {
        WRITE_BACK => 0,
        WRITE_COMBINING => WRITE_THROUGH,
        _ => WRITE_THROUGH | CACHE_DISABLE,
    };
    let no_execute = match extended & EXECUTE {
        0 => NO_EXECUTE,
        _ => 0,
    };
    let access = (extended >> EXTENDED_ACCESS_SHIFT & ACCESS) << ACCESS_SHIFT;
    extended & SAME | USER | cache | no_execute | access
}

#[cfg(test)]
mod tests {
    use super::super::tests::{FORMAT, leaf};
    use crate::address::PhysicalAddress;
    use crate::page_table::{Access, Attributes, Cache, Content};
    use l4_abi::rights::MemoryRights;

    #[test]
    fn extended_entries_have_the_bits_of_the_manual() {
        let format = FORMAT.for_guests().extended();
        let text = leaf(MemoryRights::RX, Cache::Cached);
        assert_eq!(format.leaf(0, text), 0x40_0000_0035);
        assert_eq!(format.leaf(1, text), 0x40_0000_00b5);
        let mut device = leaf(MemoryRights::RW, Cache::Uncached);
        device.access = Access::REFERENCED.union(Access::DIRTY);
        assert_eq!(format.leaf(1, device), 0x40_0000_0383);
        let frames = leaf(MemoryRights::READ, Cache::Bufferable);
        assert_eq!(format.leaf(0, frames), 0x40_0000_0009);
        assert_eq!(format.table(PhysicalAddress::new(0x5000)), 0x5007);
        assert_eq!(format.access_bits(Access::DIRTY), 1 << 9);
    }

    #[test]
    fn leaves_go_from_format_to_format() {
        let formats = [FORMAT, FORMAT.for_guests().extended()];
        for cache in [Cache::Cached, Cache::Uncached, Cache::Bufferable] {
            for rights in [MemoryRights::READ, MemoryRights::RX, MemoryRights::RWX] {
                for (from, to) in formats.iter().zip(formats.iter().rev()) {
                    let mut leaf = leaf(rights, cache);
                    leaf.access = Access::DIRTY;
                    let source = from.plain(from.leaf(1, leaf));
                    let part = to.part(source, 1, leaf.memory, rights);
                    assert_eq!(to.decode(1, part), Content::Leaf(leaf));
                    let fewer = to.with_attributes(
                        part,
                        Attributes {
                            rights: MemoryRights::READ,
                            cache,
                        },
                    );
                    leaf.attributes.rights = MemoryRights::READ;
                    assert_eq!(to.decode(1, fewer), Content::Leaf(leaf));
                }
            }
        }
    }
}
