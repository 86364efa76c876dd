//! What a guest did to memory that is not there, as the syndrome of the data abort tells (DDI 0487,
//! ISS encoding of ESR_EL2). There is no instruction decoder: an access that the syndrome does not
//! describe is one that no driver makes to a device.

/// The syndrome describes the access.
const IS_DESCRIBED: u64 = 1 << 24;
const SIGN_EXTENDED: u64 = 1 << 21;
const WIDE_REGISTER: u64 = 1 << 15;
const WRITE: u64 = 1 << 6;

/// An access by one general register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Bytes: 1, 2, 4 or 8.
    pub size: u8,
    /// Whether it is a write.
    pub is_write: bool,
    /// The register, 31 for none.
    pub register: usize,
    is_signed: bool,
    is_wide: bool,
}

impl Access {
    /// What the syndrome of a data abort describes.
    pub fn of(syndrome: u64) -> Option<Self> {
        (syndrome & IS_DESCRIBED != 0).then(|| Self {
            size: 1 << (syndrome >> 22 & 3),
            is_write: syndrome & WRITE != 0,
            register: (syndrome >> 16 & 0x1f) as usize,
            is_signed: syndrome & SIGN_EXTENDED != 0,
            is_wide: syndrome & WIDE_REGISTER != 0,
        })
    }

    /// What a write writes, of the register's value.
    pub fn written(self, register: u64) -> u64 {
        register & self.mask()
    }

    /// What a read leaves in the register.
    pub fn loaded(self, value: u64) -> u64 {
        let value = value & self.mask();
        let bits = 64 - 8 * u32::from(self.size);
        let value = if self.is_signed {
            ((value << bits).cast_signed() >> bits).cast_unsigned()
        } else {
            value
        };
        if self.is_wide {
            value
        } else {
            value & 0xffff_ffff
        }
    }

    fn mask(self) -> u64 {
        u64::MAX >> (64 - 8 * u32::from(self.size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn syndrome(size: u64, flags: u64) -> u64 {
        IS_DESCRIBED | size << 22 | 5 << 16 | flags
    }

    #[test]
    fn a_load_of_a_signed_byte_fills_the_register_as_wide_as_that_is() {
        let narrow = Access::of(syndrome(0, SIGN_EXTENDED)).unwrap();
        assert_eq!(
            (narrow.size, narrow.register, narrow.is_write),
            (1, 5, false)
        );
        assert_eq!(narrow.loaded(0x1280), 0xffff_ff80);
        let wide = Access::of(syndrome(0, SIGN_EXTENDED | WIDE_REGISTER)).unwrap();
        assert_eq!(wide.loaded(0x1280), 0xffff_ffff_ffff_ff80);
    }

    #[test]
    fn a_store_takes_as_many_bytes_as_it_writes() {
        let access = Access::of(syndrome(2, WRITE)).unwrap();
        assert!(access.is_write);
        assert_eq!(access.written(0x1122_3344_5566_7788), 0x5566_7788);
        let access = Access::of(syndrome(3, WRITE)).unwrap();
        assert_eq!(access.written(u64::MAX), u64::MAX);
    }

    #[test]
    fn without_description_there_is_no_access() {
        assert_eq!(Access::of(0x9200_0046), None);
    }
}
