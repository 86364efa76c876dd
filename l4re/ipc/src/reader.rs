//! Taking a received message out of the UTCB; every length is checked against the tag.

use l4_abi::error::ResultCode;
use l4_abi::item::{ITEM_WORDS, ReceivedItem};
use l4_abi::message_tag::MessageTag;
use l4_abi::utcb::MESSAGE_REGISTERS;
use l4_sys::Utcb;

use crate::Outcome;
use crate::scalar::Scalar;

/// Reads the message that the calling thread received last.
///
/// It is in the UTCB, so nothing may send or receive until all of it has been read.
pub struct Reader {
    utcb: Utcb,
    tag: MessageTag,
    offset: usize,
    next_item: usize,
    next_buffer: usize,
}

impl Reader {
    /// The message with this tag.
    #[inline(always)]
    pub fn new(tag: MessageTag) -> Self {
        Self {
            utcb: Utcb::current(),
            tag,
            offset: 0,
            next_item: 0,
            next_buffer: 0,
        }
    }

    /// The tag.
    pub fn tag(&self) -> MessageTag {
        self.tag
    }

    /// Moves on to the next multiple of `alignment`, a power of two.
    #[inline(always)]
    pub fn align(&mut self, alignment: usize) {
        self.offset = self.offset.next_multiple_of(alignment);
    }

    /// Takes one value at its natural alignment. Error: EMSGTOOSHORT.
    #[inline(always)]
    pub fn scalar<T: Scalar>(&mut self) -> Outcome<T> {
        self.align(size_of::<T>());
        self.require(size_of::<T>())?;
        let value = T::load(self.utcb, self.offset);
        self.offset += size_of::<T>();
        Ok(value)
    }

    /// Takes `target.len()` bytes. Error: EMSGTOOSHORT.
    pub fn bytes(&mut self, target: &mut [u8]) -> Outcome<()> {
        self.require(target.len())?;
        self.utcb.copy_to(self.offset, target);
        self.offset += target.len();
        Ok(())
    }

    /// Bytes of data not read yet.
    pub fn remaining(&self) -> usize {
        (self.tag.words().min(MESSAGE_REGISTERS) * 8).saturating_sub(self.offset)
    }

    /// Takes the next typed item and the position of the receive buffer that it took; `None` if
    /// there is none or it is void. Void items take no buffer.
    pub fn item(&mut self) -> Option<(usize, ReceivedItem)> {
        let position = self.next_item;
        if position >= self.tag.items() {
            return None;
        }
        self.next_item += 1;
        let register = self.tag.words() + ITEM_WORDS * position;
        if register + 1 >= MESSAGE_REGISTERS {
            return None;
        }
        let item =
            ReceivedItem::decode(self.utcb.message(register), self.utcb.message(register + 1))?;
        let buffer = self.next_buffer;
        self.next_buffer += 1;
        Some((buffer, item))
    }

    #[inline(always)]
    fn require(&self, bytes: usize) -> Outcome<()> {
        if bytes <= self.remaining() {
            Ok(())
        } else {
            Err(ResultCode::EMSGTOOSHORT)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use l4_abi::item::{Delivery, MapItem};
    use l4_abi::message_tag::TagFlags;
    use l4_abi::rights::CapabilityRights;

    #[test]
    fn a_void_item_takes_no_buffer() {
        let sent = MapItem::capability(0x20, CapabilityRights::READ);
        let mapped = ReceivedItem::new(sent, Delivery::Mapped);
        let utcb = Utcb::current();
        utcb.set_messages(&[0, 0, mapped.control_word(), 0, mapped.control_word(), 0]);
        let mut reader = Reader::new(MessageTag::new(0, 0, 3, TagFlags::empty()));
        assert!(reader.item().is_none());
        assert_eq!(reader.item().map(|(buffer, _)| buffer), Some(0));
        assert_eq!(reader.item().map(|(buffer, _)| buffer), Some(1));
        assert!(reader.item().is_none());
    }
}
