//! Values of fixed size in a message.

use l4_sys::Utcb;

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
