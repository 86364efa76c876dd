//! The formats of both architectures, so that one test process can use either.

use l4_abi::rights::MemoryRights;

use crate::address::PhysicalAddress;
use crate::page_table::{Access, Attributes, Content, Leaf, Level};

#[path = "../aarch64/entry_format.rs"]
pub mod aarch64;
#[path = "../x86_64/entry_format.rs"]
pub mod x86_64;

/// One of the formats.
#[derive(Clone, Copy, Debug)]
pub enum Format {
    /// x86_64.
    X86_64(x86_64::Format),
    /// Stage 2 of aarch64.
    Aarch64(aarch64::Format),
}

impl Format {
    /// The rights that hardware gives when asked for `rights`.
    pub fn effective(&self, rights: MemoryRights) -> MemoryRights {
        match self {
            Format::X86_64(_) => rights.union(MemoryRights::READ),
            Format::Aarch64(_) => rights,
        }
    }
}

macro_rules! delegate {
    ($($name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        impl Format {
            $(/// As in each of the formats.
            pub fn $name(&self $(, $argument: $type)*) -> $result {
                match self {
                    Format::X86_64(format) => format.$name($($argument),*),
                    Format::Aarch64(format) => format.$name($($argument),*),
                }
            })*
        }
    };
}

delegate! {
    root_level() -> Level;
    address_bits() -> u32;
    physical_bits() -> u32;
    root_entries() -> usize;
    table(table: PhysicalAddress) -> u64;
    leaf(level: Level, leaf: Leaf) -> u64;
    plain(leaf: u64) -> u64;
    part(leaf: u64, level: Level, memory: PhysicalAddress, rights: MemoryRights) -> u64;
    decode(level: Level, entry: u64) -> Content;
    next_table(level: Level, entry: u64) -> Option<PhysicalAddress>;
    with_attributes(entry: u64, attributes: Attributes) -> u64;
    access_bits(access: Access) -> u64;
    access(entry: u64) -> Access;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page_table::{Cache, HIGHEST_LEAF};

    const FORMATS: [Format; 2] = [
        Format::X86_64(x86_64::Format::new(46)),
        Format::Aarch64(aarch64::Format::new(44)),
    ];

    #[test]
    fn leaves_say_what_they_were_made_of() {
        for format in FORMATS {
            for level in 0..=HIGHEST_LEAF {
                for rights in (0..8).map(MemoryRights::from_bits_truncate) {
                    for cache in [Cache::Cached, Cache::Uncached, Cache::Bufferable] {
                        let leaf = Leaf {
                            memory: PhysicalAddress::new(0x7ff_c000_0000),
                            attributes: Attributes {
                                rights: format.effective(rights),
                                cache,
                            },
                            access: Access::NONE,
                        };
                        let entry = format.leaf(level, leaf);
                        assert_eq!(format.decode(level, entry), Content::Leaf(leaf));
                        assert_eq!(format.next_table(level, entry), None);
                        let plain = Attributes {
                            rights: MemoryRights::READ,
                            cache: Cache::Cached,
                        };
                        let changed = format.with_attributes(entry, plain);
                        assert_eq!(
                            format.decode(level, changed),
                            Content::Leaf(Leaf {
                                attributes: plain,
                                ..leaf
                            })
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn parts_are_as_their_leaves_with_fewer_rights() {
        for format in FORMATS {
            let all = (0..8).map(MemoryRights::from_bits_truncate);
            for (held, rights) in all
                .clone()
                .flat_map(|held| all.clone().map(move |r| (held, r)))
            {
                for (from, to) in [(0, 0), (1, 0), (1, 1)] {
                    for cache in [Cache::Cached, Cache::Uncached] {
                        let attributes = |rights| Attributes {
                            rights: format.effective(rights),
                            cache,
                        };
                        let leaf = |memory, rights| Leaf {
                            memory: PhysicalAddress::new(memory),
                            attributes: attributes(rights),
                            access: Access::NONE,
                        };
                        let memory = 0x7ff_c000_0000 + (from - to) as u64 * 0x20_0000;
                        let whole = format.leaf(from, leaf(0x7ff_c000_0000, held));
                        let part = format.part(whole, to, PhysicalAddress::new(memory), rights);
                        let expected = leaf(memory, held.intersection(rights));
                        assert_eq!(format.decode(to, part), Content::Leaf(expected));
                    }
                }
            }
        }
    }

    #[test]
    fn tables_are_told_from_leaves_and_from_nothing() {
        for format in FORMATS {
            let table = PhysicalAddress::new(0x1234_5000);
            for level in 1..=3 {
                let entry = format.table(table);
                assert_eq!(format.decode(level, entry), Content::Table(table));
                assert_eq!(format.next_table(level, entry), Some(table));
                assert_eq!(format.decode(level, 0), Content::Empty);
            }
        }
    }
}
