//! Flexpages: aligned power-of-two ranges of memory, I/O ports or capability slots.
//!
//! Source: `abi/03` §4.2 (the word) and §4.6 (sizes that differ).

use crate::rights::{CapabilityRights, MemoryRights};

/// Binary logarithm of [`PAGE_SIZE`].
pub const PAGE_ORDER: u32 = 12;
/// Bytes of a page: the least memory that can be mapped.
pub const PAGE_SIZE: u64 = 1 << PAGE_ORDER;

/// The three spaces of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Space {
    /// Memory; unit bytes.
    Memory = 1,
    /// x86 I/O ports; unit ports.
    IoPort = 2,
    /// Capabilities; unit slots.
    Object = 3,
}

/// A flexpage word: address in bits 63..12, order in 11..6, type in 5..4, rights in 3..0.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Flexpage(u64);

impl Flexpage {
    /// The flexpage that names nothing.
    pub const NIL: Flexpage = Flexpage(0);
    /// Everything in every space, without rights: a receive window; with rights, what to unmap.
    pub const ALL_SPACES: Flexpage =
        Flexpage((Self::WHOLE_SPACE_ORDER as u64) << Self::ORDER_SHIFT);
    /// The order that stands for a whole address space.
    pub const WHOLE_SPACE_ORDER: u32 = 63;
    /// Order of the whole I/O port space.
    pub const WHOLE_IO_PORT_ORDER: u32 = 16;

    const RIGHTS_MASK: u64 = 0xf;
    const TYPE_SHIFT: u32 = 4;
    const TYPE_MASK: u64 = 0x3;
    const ORDER_SHIFT: u32 = 6;
    const ORDER_MASK: u64 = 0x3f;
    const ADDRESS_SHIFT: u32 = 12;
    const ADDRESS_MASK: u64 = !0 << Self::ADDRESS_SHIFT;

    const fn new(address: u64, order: u32, space: Space, rights: u8) -> Flexpage {
        debug_assert!(order as u64 <= Self::ORDER_MASK);
        Flexpage(
            address & Self::ADDRESS_MASK
                | (order as u64 & Self::ORDER_MASK) << Self::ORDER_SHIFT
                | (space as u64) << Self::TYPE_SHIFT
                | rights as u64 & Self::RIGHTS_MASK,
        )
    }

    /// 2^`order` bytes of memory at `address`.
    pub const fn memory(address: u64, order: u32, rights: MemoryRights) -> Flexpage {
        Self::new(address, order, Space::Memory, rights.bits())
    }

    /// The whole memory of an address space, without rights: a receive window.
    pub const fn whole_memory() -> Flexpage {
        Self::memory(0, Self::WHOLE_SPACE_ORDER, MemoryRights::empty())
    }

    /// 2^`order` I/O ports from `port` on.
    pub const fn io_ports(port: u16, order: u32) -> Flexpage {
        Self::new(
            (port as u64) << Self::ADDRESS_SHIFT,
            order,
            Space::IoPort,
            0,
        )
    }

    /// 2^`order` capability slots from `index` on.
    pub const fn objects(index: u64, order: u32, rights: CapabilityRights) -> Flexpage {
        Self::new(
            index << Self::ADDRESS_SHIFT,
            order,
            Space::Object,
            rights.bits(),
        )
    }

    /// One capability slot.
    pub const fn object(index: u64, rights: CapabilityRights) -> Flexpage {
        Self::objects(index, 0, rights)
    }

    /// Takes a word as it is.
    pub const fn from_raw(raw: u64) -> Flexpage {
        Flexpage(raw)
    }

    /// The word as it goes into a message.
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// The space, or `None` for the special flexpages.
    pub const fn space(self) -> Option<Space> {
        match self.0 >> Self::TYPE_SHIFT & Self::TYPE_MASK {
            1 => Some(Space::Memory),
            2 => Some(Space::IoPort),
            3 => Some(Space::Object),
            _ => None,
        }
    }

    /// Whether the word is that of [`Flexpage::NIL`].
    pub const fn is_nil(self) -> bool {
        self.0 == 0
    }

    /// Whether the flexpage means everything in every space.
    pub const fn is_all_spaces(self) -> bool {
        self.space().is_none() && self.order() == Self::WHOLE_SPACE_ORDER
    }

    /// Whether the flexpage may name something in `space`.
    pub const fn covers(self, space: Space) -> bool {
        match self.space() {
            Some(own) => own as u8 == space as u8,
            None => self.is_all_spaces(),
        }
    }

    /// Binary logarithm of the size in units of the space, 0 to 63.
    pub const fn order(self) -> u32 {
        (self.0 >> Self::ORDER_SHIFT & Self::ORDER_MASK) as u32
    }

    /// The rights nibble; its meaning depends on the space.
    pub const fn rights(self) -> u8 {
        (self.0 & Self::RIGHTS_MASK) as u8
    }

    /// The rights nibble of a memory flexpage.
    pub const fn memory_rights(self) -> MemoryRights {
        MemoryRights::from_bits_truncate(self.rights())
    }

    /// The rights nibble of an object flexpage.
    pub const fn object_rights(self) -> CapabilityRights {
        CapabilityRights::from_bits_retain(self.rights())
    }

    /// The same range with another rights nibble.
    pub const fn with_rights(self, rights: u8) -> Flexpage {
        Flexpage(self.0 & !Self::RIGHTS_MASK | rights as u64 & Self::RIGHTS_MASK)
    }

    /// The start of a memory flexpage as written, not aligned to the order.
    pub const fn address(self) -> u64 {
        self.0 & Self::ADDRESS_MASK
    }

    const KIND_MASK: u64 =
        Self::TYPE_MASK << Self::TYPE_SHIFT | Self::ORDER_MASK << Self::ORDER_SHIFT;

    /// Whether this is one capability slot.
    pub const fn is_capability(self) -> bool {
        self.0 & Self::KIND_MASK == Self::object(0, CapabilityRights::empty()).0
    }

    /// The address, if this is one page of 4 KiB of memory.
    pub const fn page(self) -> Option<u64> {
        let page = Self::memory(self.address(), PAGE_ORDER, MemoryRights::empty());
        if self.0 & (Self::KIND_MASK | Self::ADDRESS_MASK) == page.0 {
            Some(self.address())
        } else {
            None
        }
    }

    /// The first port or slot of an I/O or object flexpage as written.
    pub const fn index(self) -> u64 {
        self.0 >> Self::ADDRESS_SHIFT
    }

    /// The range it names in a space of 2^`space_order` units: aligned, never larger than the
    /// space. The start may still lie beyond the space.
    pub const fn block(self, space_order: u32) -> Block {
        let start = match self.space() {
            Some(Space::Memory) => self.address(),
            Some(Space::IoPort | Space::Object) => self.index(),
            None => 0,
        };
        if self.order() >= space_order {
            Block::new(0, space_order)
        } else {
            Block::new(start, self.order())
        }
    }
}

impl core::fmt::Debug for Flexpage {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter
            .debug_struct("Flexpage")
            .field("space", &self.space())
            .field("start", &format_args!("{:#x}", self.address()))
            .field("order", &self.order())
            .field("rights", &format_args!("{:#x}", self.rights()))
            .finish()
    }
}

/// An aligned range of 2^`order` units of a space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Block {
    start: u64,
    order: u32,
}

impl Block {
    /// The block of 2^`order` units (at most 63) around `address`.
    pub const fn new(address: u64, order: u32) -> Block {
        let order = if order > 63 { 63 } else { order };
        Block {
            start: address & !mask(order),
            order,
        }
    }

    /// The first unit.
    pub const fn start(self) -> u64 {
        self.start
    }

    /// The last unit.
    pub const fn last(self) -> u64 {
        self.start | mask(self.order)
    }

    /// Binary logarithm of the size.
    pub const fn order(self) -> u32 {
        self.order
    }

    /// Number of units.
    pub const fn size(self) -> u64 {
        1 << self.order
    }

    /// Whether the unit lies in the block.
    pub const fn contains(self, unit: u64) -> bool {
        unit & !mask(self.order) == self.start
    }

    /// The units that both have. Aligned blocks are nested or disjoint.
    pub const fn intersection(self, other: Block) -> Option<Block> {
        let (small, large) = if self.order <= other.order {
            (self, other)
        } else {
            (other, self)
        };
        if large.contains(small.start) {
            Some(small)
        } else {
            None
        }
    }
}

/// What a transfer maps where: equally large parts of both partners' ranges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Part of the send flexpage.
    pub send: Block,
    /// Part of the receive window.
    pub receive: Block,
}

impl Transfer {
    /// Fits a send flexpage and a receive window of different sizes: the send base chooses the
    /// place in the larger one (`abi/03` §4.6). Memory and capabilities.
    pub const fn aligned(send: Block, receive: Block, send_base: u64) -> Transfer {
        let order = if send.order < receive.order {
            send.order
        } else {
            receive.order
        };
        let offset = send_base & !mask(order);
        Transfer {
            send: Block {
                start: send.start | offset & mask(send.order),
                order,
            },
            receive: Block {
                start: receive.start | offset & mask(receive.order),
                order,
            },
        }
    }

    /// I/O ports keep their numbers: the ports that both name.
    pub const fn same_numbers(send: Block, receive: Block) -> Option<Transfer> {
        match send.intersection(receive) {
            Some(block) => Some(Transfer {
                send: block,
                receive: block,
            }),
            None => None,
        }
    }
}

const fn mask(order: u32) -> u64 {
    (1 << order) - 1
}
