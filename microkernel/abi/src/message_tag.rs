//! The message tag: one word that describes a message.
//!
//! Source: `abi/01` (message tag).

use crate::flags::flags;

flags! {
    /// Flags of a message tag, at their place in the word.
    pub struct TagFlags: u64 {
        /// Send: hand over the FPU state.
        const TRANSFER_FPU = 0x1000;
        /// Send: do not donate the time slice to the receiver.
        const SCHEDULE = 0x2000;
        /// Defined, without effect.
        const PROPAGATE = 0x4000;
        /// Result: the IPC failed, the code is in the UTCB's error word.
        const ERROR = 0x8000;
    }
}

/// Label, number of words and items, and flags of a message.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct MessageTag(u64);

impl MessageTag {
    /// What a failed send returns.
    pub const SEND_FAILED: MessageTag = MessageTag(TagFlags::ERROR.bits());
    /// An empty message; also what an interrupt delivers.
    pub const EMPTY: MessageTag = MessageTag(0);

    const COUNT_MASK: u64 = 0x3f;
    const ITEMS_SHIFT: u32 = 6;
    const LABEL_SHIFT: u32 = 16;

    /// A tag of `words` untyped words and `items` typed items, both at most 63.
    ///
    /// The label is cut to 48 bits.
    pub const fn new(label: i64, words: usize, items: usize, flags: TagFlags) -> MessageTag {
        debug_assert!(words as u64 <= Self::COUNT_MASK && items as u64 <= Self::COUNT_MASK);
        MessageTag(
            (label as u64) << Self::LABEL_SHIFT
                | flags.bits()
                | (items as u64 & Self::COUNT_MASK) << Self::ITEMS_SHIFT
                | words as u64 & Self::COUNT_MASK,
        )
    }

    /// A message of untyped words only.
    pub const fn words_only(label: i64, words: usize) -> MessageTag {
        Self::new(label, words, 0, TagFlags::empty())
    }

    /// A message without content: a plain result.
    pub const fn label_only(label: i64) -> MessageTag {
        Self::new(label, 0, 0, TagFlags::empty())
    }

    /// Takes a register as it is.
    pub const fn from_raw(raw: u64) -> MessageTag {
        MessageTag(raw)
    }

    /// The word as it goes into the register.
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// The label: protocol of a request, result of a reply; signed 48 bit.
    pub const fn label(self) -> i64 {
        self.0 as i64 >> Self::LABEL_SHIFT
    }

    /// Number of untyped words, 0 to 63.
    pub const fn words(self) -> usize {
        (self.0 & Self::COUNT_MASK) as usize
    }

    /// Number of typed items, 0 to 63.
    pub const fn items(self) -> usize {
        (self.0 >> Self::ITEMS_SHIFT & Self::COUNT_MASK) as usize
    }

    /// The flags.
    pub const fn flags(self) -> TagFlags {
        TagFlags::from_bits_truncate(self.0)
    }

    /// Whether the IPC failed.
    pub const fn has_error(self) -> bool {
        self.flags().contains(TagFlags::ERROR)
    }

    /// The same tag marked as failed.
    pub const fn with_error(self) -> MessageTag {
        MessageTag(self.0 | TagFlags::ERROR.bits())
    }

    /// The same tag, of a message that has words only.
    pub const fn without_items(self) -> MessageTag {
        MessageTag::new(self.label(), self.words(), 0, self.flags())
    }

    /// The same tag without the error mark, as a receiver sees it.
    pub const fn without_error(self) -> MessageTag {
        MessageTag(self.0 & !TagFlags::ERROR.bits())
    }
}

impl core::fmt::Debug for MessageTag {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter
            .debug_struct("MessageTag")
            .field("label", &self.label())
            .field("words", &self.words())
            .field("items", &self.items())
            .field("flags", &self.flags())
            .finish()
    }
}
