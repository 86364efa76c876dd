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

    /// Moves on to the next multiple of `alignment`, a power of two up to 8.
    ///
    /// Skipped bytes become zero: what lies there is of an earlier message, maybe somebody else's.
    #[inline(always)]
    pub fn align(&mut self, alignment: usize) {
        let aligned = self.bytes.next_multiple_of(alignment);
        if aligned != self.bytes {
            self.utcb
                .copy_from(self.bytes, &[0; 8][..aligned - self.bytes]);
            self.bytes = aligned;
        }
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
    pub fn finish(mut self, label: i64) -> Outcome<MessageTag> {
        self.align(8);
        let words = self.bytes / 8;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_an_earlier_message_goes_along() {
        let utcb = Utcb::current();
        utcb.set_messages(&[!0; MESSAGE_REGISTERS]);
        let mut writer = Writer::new();
        writer.scalar(0x11_u8).unwrap();
        writer.scalar(0x2222_u16).unwrap();
        writer.scalar(0x33_u64).unwrap();
        writer.bytes(b"abc").unwrap();
        let tag = writer.finish(7).unwrap();
        assert_eq!(tag.words(), 3);
        let words = [0, 1, 2].map(|register| utcb.message(register));
        assert_eq!(words, [0x2222_0011, 0x33, 0x63_6261]);
        assert_eq!(utcb.message(3), !0);
    }

    #[test]
    fn a_full_message_can_be_ended() {
        let mut writer = Writer::new();
        writer.bytes(&[1; MESSAGE_BYTES - 1]).unwrap();
        assert_eq!(writer.finish(0).unwrap().words(), MESSAGE_REGISTERS);
    }
}
