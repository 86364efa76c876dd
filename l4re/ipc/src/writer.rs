//! Composing a message in the UTCB: data at natural alignment, then typed items (`abi/08` §1).

use l4_abi::error::ResultCode;
use l4_abi::item::{ITEM_WORDS, MapItem};
use l4_abi::message_tag::{MessageTag, TagFlags};
use l4_abi::utcb::{BUFFER_REGISTERS, BufferDescriptor, MESSAGE_REGISTERS};
use l4_sys::Utcb;
use l4_sys::utcb::MESSAGE_BYTES;

use crate::Outcome;
use crate::scalar::Scalar;

/// Items that one message can carry here; no L4Re interface has more.
const MAX_ITEMS: usize = 4;

/// Composes a request or an answer in the calling thread's UTCB.
///
/// Data and receive buffers go into the registers at once, so nothing may send or receive in
/// between. Items come behind the data, and are kept aside until [`finish`](Self::finish).
pub struct Writer {
    utcb: Utcb,
    bytes: usize,
    items: [(u64, u64); MAX_ITEMS],
    item_count: usize,
    buffer_words: usize,
    label: i64,
}

impl Writer {
    /// An empty message.
    #[inline(always)]
    pub fn new() -> Self {
        Self {
            utcb: Utcb::current(),
            bytes: 0,
            items: [(0, 0); MAX_ITEMS],
            item_count: 0,
            buffer_words: 0,
            label: 0,
        }
    }

    /// Moves on to the next multiple of `alignment`, a power of two. Skipped bytes stay as they are.
    #[inline(always)]
    pub fn align(&mut self, alignment: usize) {
        self.bytes = self.bytes.next_multiple_of(alignment);
    }

    /// Appends one value at its natural alignment.
    #[inline(always)]
    pub fn scalar<T: Scalar>(&mut self, value: T) -> Outcome<()> {
        self.align(size_of::<T>());
        self.reserve(size_of::<T>())?;
        value.store(self.utcb, self.bytes);
        self.bytes += size_of::<T>();
        Ok(())
    }

    /// Appends bytes.
    pub fn bytes(&mut self, bytes: &[u8]) -> Outcome<()> {
        self.reserve(bytes.len())?;
        self.utcb.copy_from(self.bytes, bytes);
        self.bytes += bytes.len();
        Ok(())
    }

    /// Adds a typed item.
    #[inline(always)]
    pub fn item(&mut self, item: MapItem) -> Outcome<()> {
        let place = self
            .items
            .get_mut(self.item_count)
            .ok_or(ResultCode::EMSGTOOLONG)?;
        *place = (item.control.raw(), item.flexpage.raw());
        self.item_count += 1;
        Ok(())
    }

    /// Adds a word of a receive buffer for the answer.
    #[inline(always)]
    pub fn buffer_word(&mut self, word: u64) -> Outcome<()> {
        // The last register stays for the zero that ends the list.
        if self.buffer_words + 1 >= BUFFER_REGISTERS {
            return Err(ResultCode::EMSGTOOLONG);
        }
        self.utcb.set_buffer(self.buffer_words, word);
        self.buffer_words += 1;
        Ok(())
    }

    /// Makes `label` the label of an answer instead of 0.
    pub fn set_label(&mut self, label: i64) {
        self.label = label;
    }

    /// Ends an answer.
    #[inline(always)]
    pub fn finish_answer(self) -> Outcome<MessageTag> {
        let label = self.label;
        self.finish(label)
    }

    /// Ends the message: stores the items and returns the tag.
    #[inline(always)]
    pub fn finish(self, label: i64) -> Outcome<MessageTag> {
        let words = self.bytes.div_ceil(8);
        if words + ITEM_WORDS * self.item_count > MESSAGE_REGISTERS {
            return Err(ResultCode::EMSGTOOLONG);
        }
        // Over all places, so that the compiler unrolls it: mostly the count is known to it.
        for (index, (control, flexpage)) in self.items.into_iter().enumerate() {
            if index < self.item_count {
                let register = words + ITEM_WORDS * index;
                self.utcb.set_message(register, control);
                self.utcb.set_message(register + 1, flexpage);
            }
        }
        Ok(MessageTag::new(
            label,
            words,
            self.item_count,
            TagFlags::empty(),
        ))
    }

    /// Ends a request: as [`finish`](Self::finish), and arms the receive buffers for the answer.
    ///
    /// The list is always written, so that no buffer of an earlier call stays armed.
    #[inline(always)]
    pub fn finish_request(self, protocol: i64) -> Outcome<MessageTag> {
        self.utcb.set_buffer_descriptor(BufferDescriptor::DEFAULT);
        self.utcb.set_buffer(self.buffer_words, 0);
        self.finish(protocol)
    }

    #[inline(always)]
    fn reserve(&self, bytes: usize) -> Outcome<()> {
        match self.bytes.checked_add(bytes) {
            Some(end) if end <= MESSAGE_BYTES => Ok(()),
            _ => Err(ResultCode::EMSGTOOLONG),
        }
    }
}

impl Default for Writer {
    fn default() -> Self {
        Self::new()
    }
}
