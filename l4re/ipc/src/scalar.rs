//! Values of fixed size in a message.

use l4_sys::Utcb;

use crate::{Outcome, Reader, Writer};

/// A value that travels in the same way as an argument and as a result: a scalar, or a structure made with
/// [`record!`](crate::record!).
pub trait Plain: Copy {
    /// Writes it into a message.
    fn write(self, writer: &mut Writer) -> Outcome<()>;
    /// Takes it out of a message.
    fn read(reader: &mut Reader) -> Outcome<Self>;
}

impl<T: Scalar> Plain for T {
    #[inline(always)]
    fn write(self, writer: &mut Writer) -> Outcome<()> {
        writer.scalar(self)
    }

    #[inline(always)]
    fn read(reader: &mut Reader) -> Outcome<T> {
        reader.scalar()
    }
}

/// A value that lies in a message as its bytes, aligned to its size.
pub trait Scalar: Copy {
    /// Reads it at byte `offset`.
    fn load(utcb: Utcb, offset: usize) -> Self;
    /// Writes it at byte `offset`.
    fn store(self, utcb: Utcb, offset: usize);
}

macro_rules! scalar {
    ($($type:ty)+) => {
        $(
            impl Scalar for $type {
                #[inline(always)]
                fn load(utcb: Utcb, offset: usize) -> Self {
                    Self::from_le_bytes(utcb.load(offset))
                }

                #[inline(always)]
                fn store(self, utcb: Utcb, offset: usize) {
                    utcb.store(offset, self.to_le_bytes());
                }
            }
        )+
    };
}

scalar!(u8 i8 u16 i16 u32 i32 u64 i64);

impl Scalar for bool {
    #[inline(always)]
    fn load(utcb: Utcb, offset: usize) -> Self {
        u8::load(utcb, offset) != 0
    }

    #[inline(always)]
    fn store(self, utcb: Utcb, offset: usize) {
        u8::from(self).store(utcb, offset);
    }
}
