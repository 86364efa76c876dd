//! Items as the sender writes them (`abi/03` §4.1, §4.5).

use crate::flags::flags;

use super::{ITEM_WORDS, Overflow};
use crate::capability::Selector;
use crate::flexpage::{Flexpage, Space};
use crate::rights::{CapabilityRights, MemoryRights};

flags! {
    /// Low bits of a send item's control word.
    pub struct ItemFlags: u64 {
        /// The next item uses the same receive buffer.
        const COMPOUND = 0x1;
        /// Move instead of map.
        const GRANT = 0x2;
        /// The word is a map item; without it only the void item is legal.
        const MAP = 0x8;
        /// Object: the new capability does not keep the object alive.
        const WEAK = 0x10;
        /// Object: pass object right 1 on.
        const OBJECT_1 = 0x20;
        /// Object: pass object right 2 on.
        const OBJECT_2 = 0x40;
        /// Object: pass object right 3 on.
        const OBJECT_3 = 0x80;
        /// Memory: map uncached.
        const UNCACHED = 0x10;
        /// Memory: map as normal cached memory.
        const CACHED = 0x30;
        /// Memory: map write-combining.
        const BUFFERABLE = 0x50;
    }
}

/// Memory attributes that a map item asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum CacheMode {
    /// Those of the sender's mapping.
    #[default]
    Keep,
    /// Device memory.
    Uncached,
    /// Normal cached memory.
    Cached,
    /// Write-combining.
    Bufferable,
}

impl CacheMode {
    /// The attribute bits of the control word.
    pub const fn flags(self) -> ItemFlags {
        match self {
            CacheMode::Keep => ItemFlags::empty(),
            CacheMode::Uncached => ItemFlags::UNCACHED,
            CacheMode::Cached => ItemFlags::CACHED,
            CacheMode::Bufferable => ItemFlags::BUFFERABLE,
        }
    }
}

/// Control word of a send item: flags, attributes and the send base (hot spot).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct ItemControl(u64);

impl ItemControl {
    pub(super) const BASE_MASK: u64 = !0xfff;
    const ATTRIBUTES: u64 = 0xf0;

    /// A map item; `base` is an address, or an index shifted by 12.
    pub const fn map(base: u64, flags: ItemFlags) -> ItemControl {
        ItemControl(base & Self::BASE_MASK | flags.bits() | ItemFlags::MAP.bits())
    }

    /// Takes a word as it is.
    pub const fn from_raw(raw: u64) -> ItemControl {
        ItemControl(raw)
    }

    /// The word as it goes into a message.
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// Whether the next item uses the same receive buffer.
    pub const fn is_compound(self) -> bool {
        self.0 & ItemFlags::COMPOUND.bits() != 0
    }

    /// Whether the sender gives its mapping away.
    pub const fn is_grant(self) -> bool {
        self.0 & ItemFlags::GRANT.bits() != 0
    }

    /// Whether it only maps: no flags, no attributes.
    pub const fn is_plain(self) -> bool {
        self.0 & !Self::BASE_MASK == ItemFlags::MAP.bits()
    }

    /// Send base of a memory item, in bytes.
    pub const fn base_address(self) -> u64 {
        self.0 & Self::BASE_MASK
    }

    /// Send base of an object item, as a slot index.
    pub const fn base_index(self) -> u64 {
        self.0 >> Selector::SHIFT
    }

    /// Cache mode that a memory item asks for; the unused encoding keeps the sender's.
    pub const fn cache_mode(self) -> CacheMode {
        match self.0 & 0x70 {
            0x10 => CacheMode::Uncached,
            0x30 => CacheMode::Cached,
            0x50 => CacheMode::Bufferable,
            _ => CacheMode::Keep,
        }
    }

    /// Rights that an object item passes beyond the flexpage's: the object rights, and being
    /// counted.
    pub const fn object_attributes(self) -> CapabilityRights {
        let attributes = (self.0 & Self::ATTRIBUTES) as u8 ^ CapabilityRights::COUNTED.bits();
        CapabilityRights::from_bits_retain(attributes)
    }
}

/// A decoded send item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendItem {
    /// Skipped together with its second word; uses no receive buffer.
    Void,
    /// Maps or grants a flexpage.
    Map(MapItem),
}

/// A send item that maps or grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapItem {
    /// Flags, attributes and send base.
    pub control: ItemControl,
    /// What to send.
    pub flexpage: Flexpage,
    /// The space of the flexpage.
    pub space: Space,
}

impl SendItem {
    /// Decodes the two words of an item.
    pub const fn decode(control: u64, flexpage: u64) -> Result<SendItem, Overflow> {
        if control == 0 {
            return Ok(SendItem::Void);
        }
        if control & ItemFlags::MAP.bits() == 0 {
            return Err(Overflow);
        }
        let flexpage = Flexpage::from_raw(flexpage);
        match flexpage.space() {
            Some(space) => Ok(SendItem::Map(MapItem {
                control: ItemControl(control),
                flexpage,
                space,
            })),
            None => Err(Overflow),
        }
    }

    /// The two words of the item.
    pub const fn words(self) -> [u64; ITEM_WORDS] {
        match self {
            SendItem::Void => [0, 0],
            SendItem::Map(item) => [item.control.raw(), item.flexpage.raw()],
        }
    }
}

impl MapItem {
    /// The item that maps 2^`order` bytes at `address`, which is also the send base.
    pub const fn memory(address: u64, order: u32, rights: MemoryRights) -> MapItem {
        MapItem {
            control: ItemControl::map(address, ItemFlags::empty()),
            flexpage: Flexpage::memory(address, order, rights),
            space: Space::Memory,
        }
    }

    /// The item that passes one capability as an RPC argument: base 0, no object rights.
    pub const fn capability(index: u64, rights: CapabilityRights) -> MapItem {
        MapItem {
            control: ItemControl::map(0, ItemFlags::from_bits_retain(rights.bits() as u64 & 0xe0)),
            flexpage: Flexpage::object(index, rights),
            space: Space::Object,
        }
    }

    /// The rights of the capability that the receiver gets (`abi/03` §4.5), or `None` if
    /// nothing is to be mapped.
    ///
    /// `held` are the rights in the sender's slot; `pass_special` tells whether the capability
    /// that the message goes through has the S right.
    pub const fn passed_object_rights(
        self,
        held: CapabilityRights,
        pass_special: bool,
    ) -> Option<CapabilityRights> {
        let mut asked = self.flexpage.object_rights();
        if !asked.contains(CapabilityRights::READ) {
            return None;
        }
        if !pass_special {
            asked = asked.difference(CapabilityRights::SPECIAL);
        }
        Some(held.intersection(asked.union(self.control.object_attributes())))
    }

    /// The flexpage that a receiver in the sender's task gets instead of a mapping.
    pub const fn passed_flexpage(self, pass_special: bool) -> Flexpage {
        let mut rights = self.flexpage.object_rights();
        if !pass_special {
            rights = rights.difference(CapabilityRights::SPECIAL);
        }
        self.flexpage.with_rights(rights.bits())
    }

    /// The memory rights that the receiver gets, or `None` if nothing is to be mapped.
    pub const fn passed_memory_rights(self, held: MemoryRights) -> Option<MemoryRights> {
        let passed = held.intersection(self.flexpage.memory_rights());
        if passed.is_empty() {
            None
        } else {
            Some(passed)
        }
    }
}
