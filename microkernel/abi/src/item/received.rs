//! Items as the receiver finds them (`abi/03` §4.4).

use super::{ItemControl, ItemFlags, MapItem};
use crate::flexpage::{Flexpage, Space};

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
