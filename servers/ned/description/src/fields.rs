//! How fields are stored, one after the other: numbers little-endian; texts and lists with their length in
//! front, in 32 bits; what is one of a few by its position among them, in a byte.

use alloc::vec::Vec;

use crate::error::Error;

/// What has an order of fields.
pub(crate) trait Decode<'a>: Sized {
    fn decode(fields: &mut Fields<'a>) -> Result<Self, Error>;
}

/// What is still to be read.
pub(crate) struct Fields<'a> {
    pub(crate) bytes: &'a [u8],
    /// How many components there are, once they have been read.
    pub(crate) components: usize,
}

impl<'a> Fields<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (head, rest) = self.bytes.split_first_chunk().ok_or(Error::Length)?;
        self.bytes = rest;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Error> {
        Ok(u8::from_le_bytes(self.take()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Error> {
        Ok(u32::from_le_bytes(self.take()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Error> {
        Ok(u64::from_le_bytes(self.take()?))
    }

    /// One of these.
    pub(crate) fn one_of<T: Copy>(&mut self, values: &[T]) -> Result<T, Error> {
        let value = values.get(usize::from(self.u8()?)).copied();
        value.ok_or(Error::Damaged("a code is unknown"))
    }

    /// Something that people may read: printable, without spaces, and not longer than `max` bytes.
    pub(crate) fn name(&mut self, max: usize) -> Result<&'a str, Error> {
        let name = <&str>::decode(self)?;
        if name.is_empty() || name.len() > max || !name.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Error::Damaged("a name is empty, too long or not printable"));
        }
        Ok(name)
    }

    /// The position of a component.
    pub(crate) fn component(&mut self) -> Result<usize, Error> {
        let position = self.u32()? as usize;
        if position < self.components {
            Ok(position)
        } else {
            Err(Error::Damaged("a component's position is too large"))
        }
    }

    /// Records of one kind. Each has some bytes, so a wrong number finds an end.
    pub(crate) fn list<T: Decode<'a>>(&mut self) -> Result<Vec<T>, Error> {
        let count = self.u32()?;
        (0..count).map(|_| T::decode(self)).collect()
    }
}

impl<'a> Decode<'a> for &'a str {
    fn decode(fields: &mut Fields<'a>) -> Result<Self, Error> {
        let length = fields.u32()? as usize;
        let split = fields.bytes.split_at_checked(length);
        let (text, rest) = split.ok_or(Error::Length)?;
        fields.bytes = rest;
        match core::str::from_utf8(text) {
            Ok(text) if !text.contains('\0') => Ok(text),
            _ => Err(Error::Damaged(
                "a text is not UTF-8 or contains a zero byte",
            )),
        }
    }
}
