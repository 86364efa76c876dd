//! Typed message items, receive buffers, and what the receiver finds afterwards.
//!
//! Everything here is a pure function over message words: the kernel feeds it UTCB words that
//! the user may change at any time, so each word is read once and judged by its value.
//!
//! Source: `abi/03` §4.

use bitflags::bitflags;

use crate::capability::Selector;
use crate::flexpage::{Flexpage, Space};
use crate::rights::{CapabilityRights, MemoryRights};
use crate::utcb::{BUFFER_REGISTERS, BufferDescriptor};

/// Message words of one item.
pub const ITEM_WORDS: usize = 2;

/// An item or buffer that does not fit: IPC error 8 for the sender, 9 for the receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overflow;

bitflags! {
    /// Low bits of a send item's control word.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
    const BASE_MASK: u64 = !0xfff;
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

bitflags! {
    /// Low bits of a receive buffer's first word.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct BufferFlags: u64 {
        /// One more word names the task that receives.
        const FORWARD = 0x1;
        /// The word itself names one capability slot.
        const SINGLE = 0x2;
        /// Deliver a label or flexpage instead of a mapping when possible.
        const LOCAL_ID = 0x4;
        /// Must be set.
        const MAP = 0x8;
    }
}

/// Where an incoming item may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiveTarget {
    /// One slot of the object space.
    Slot(u64),
    /// A range of one space, or of all.
    Window(Flexpage),
}

/// A decoded receive buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceiveBuffer {
    /// Slot or window.
    pub target: ReceiveTarget,
    /// Deliver a label or flexpage when possible.
    pub local_id: bool,
    /// The task that receives, if not the receiver's own. Needs the W right.
    pub forward: Option<Selector>,
    /// Buffer registers that the buffer takes.
    pub words: usize,
}

impl ReceiveBuffer {
    /// First word of a buffer for one capability.
    pub const fn slot_word(index: u64, local_id: bool) -> u64 {
        let local = if local_id {
            BufferFlags::LOCAL_ID.bits()
        } else {
            0
        };
        index << Selector::SHIFT | local | BufferFlags::SINGLE.bits() | BufferFlags::MAP.bits()
    }

    /// First word of a buffer with a window; the flexpage is the second.
    pub const WINDOW_WORD: u64 = BufferFlags::MAP.bits();

    /// Decodes the buffer at register `index`; `read` gives a buffer register.
    ///
    /// The end of the list, by a zero word or the last register, and a word that is no map item
    /// are an overflow.
    pub fn decode(index: usize, read: impl Fn(usize) -> u64) -> Result<ReceiveBuffer, Overflow> {
        let word = |offset: usize| match index + offset {
            register if register < BUFFER_REGISTERS => Ok(read(register)),
            _ => Err(Overflow),
        };
        let first = word(0)?;
        let flags = BufferFlags::from_bits_truncate(first);
        if !flags.contains(BufferFlags::MAP) {
            return Err(Overflow);
        }
        let (target, mut words) = if flags.contains(BufferFlags::SINGLE) {
            (ReceiveTarget::Slot(first >> Selector::SHIFT), 1)
        } else {
            (ReceiveTarget::Window(Flexpage::from_raw(word(1)?)), 2)
        };
        let forward = if flags.contains(BufferFlags::FORWARD) {
            words += 1;
            Some(Selector::from_raw(word(words - 1)?))
        } else {
            None
        };
        Ok(ReceiveBuffer {
            target,
            local_id: flags.contains(BufferFlags::LOCAL_ID),
            forward,
            words,
        })
    }

    /// The window in `space`, or `None` if the buffer is for another: then nothing is mapped.
    pub const fn window(self, space: Space) -> Option<Flexpage> {
        match (self.target, space) {
            (ReceiveTarget::Slot(index), Space::Object) => {
                Some(Flexpage::object(index, CapabilityRights::empty()))
            }
            (ReceiveTarget::Window(flexpage), _) if flexpage.covers(space) => Some(flexpage),
            _ => None,
        }
    }
}

/// The receiver's position in its buffers: one per space over the same registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BufferCursors {
    memory: usize,
    io_port: usize,
    object: usize,
}

impl BufferCursors {
    /// Positions at the first buffers.
    pub const fn new(descriptor: BufferDescriptor) -> BufferCursors {
        BufferCursors {
            memory: descriptor.memory(),
            io_port: descriptor.io_port(),
            object: descriptor.object(),
        }
    }

    /// The buffer for an item of `space`. Moves on, unless the item is `compound`.
    pub fn take(
        &mut self,
        space: Space,
        compound: bool,
        read: impl Fn(usize) -> u64,
    ) -> Result<ReceiveBuffer, Overflow> {
        let position = match space {
            Space::Memory => &mut self.memory,
            Space::IoPort => &mut self.io_port,
            Space::Object => &mut self.object,
        };
        let buffer = ReceiveBuffer::decode(*position, read)?;
        if !compound {
            *position += buffer.words;
        }
        Ok(buffer)
    }
}

/// How an item arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Something was mapped; the second word is unchanged.
    Mapped,
    /// Nothing was mapped; the second word is unchanged.
    NothingMapped,
    /// The label of the receiver's own gate, with the passed W and S rights in bits 1..0.
    LocalId(u64),
    /// The sender's flexpage, its rights masked: both are in one task.
    Flexpage(Flexpage),
}

impl Delivery {
    const MAPPED: u64 = 0 << 1;
    const NOTHING: u64 = 1 << 1;
    const LOCAL_ID: u64 = 2 << 1;
    const FLEXPAGE: u64 = 3 << 1;
    const MASK: u64 = 3 << 1;
}

/// An item as the receiver finds it in its message registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceivedItem {
    control: u64,
    /// How it arrived.
    pub delivery: Delivery,
}

impl ReceivedItem {
    const KEPT: u64 = !0xff6;
    const TYPE_AND_ORDER: u64 = 0xff0;

    /// The item that `sent` becomes.
    pub const fn new(sent: MapItem, delivery: Delivery) -> ReceivedItem {
        let kind = match delivery {
            Delivery::Mapped => Delivery::MAPPED,
            Delivery::NothingMapped => Delivery::NOTHING,
            Delivery::LocalId(_) => Delivery::LOCAL_ID,
            Delivery::Flexpage(_) => Delivery::FLEXPAGE,
        };
        let control =
            sent.control.raw() & Self::KEPT | sent.flexpage.raw() & Self::TYPE_AND_ORDER | kind;
        ReceivedItem { control, delivery }
    }

    /// The first word of a capability that the kernel made for the receiver.
    pub const NEW_OBJECT_WORD: u64 = 0x38;

    /// Reads the two words of an item; `None` for a void one.
    pub const fn decode(control: u64, second: u64) -> Option<ReceivedItem> {
        if control == 0 {
            return None;
        }
        let delivery = match control & Delivery::MASK {
            Delivery::MAPPED => Delivery::Mapped,
            Delivery::NOTHING => Delivery::NothingMapped,
            Delivery::LOCAL_ID => Delivery::LocalId(second),
            _ => Delivery::Flexpage(Flexpage::from_raw(second)),
        };
        Some(ReceivedItem { control, delivery })
    }

    /// The first word.
    pub const fn control_word(self) -> u64 {
        self.control
    }

    /// The second word, or `None` if it stays as it was.
    pub const fn second_word(self) -> Option<u64> {
        match self.delivery {
            Delivery::Mapped | Delivery::NothingMapped => None,
            Delivery::LocalId(label) => Some(label),
            Delivery::Flexpage(flexpage) => Some(flexpage.raw()),
        }
    }

    /// The sender's send base.
    pub const fn base(self) -> u64 {
        self.control & ItemControl::BASE_MASK
    }

    /// Space of the sent flexpage.
    pub const fn space(self) -> Option<Space> {
        Flexpage::from_raw(self.control).space()
    }

    /// Order of the sent flexpage.
    pub const fn order(self) -> u32 {
        Flexpage::from_raw(self.control).order()
    }

    /// Whether the item shared its buffer with the next.
    pub const fn is_compound(self) -> bool {
        self.control & ItemFlags::COMPOUND.bits() != 0
    }
}
