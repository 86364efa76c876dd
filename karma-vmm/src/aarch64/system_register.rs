//! Registers of the CPU that trap. All but one are of parts that the machine does not have: debug,
//! performance monitors, the physical timer. They read as zero and ignore writes.

/// An access to a system register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemRegister {
    /// Its encoding, as the syndrome has it, for reports.
    pub encoding: u64,
    /// Whether it is read.
    pub is_read: bool,
    /// The general register, 31 for none.
    pub register: usize,
}

/// ICC_SGI1R_EL1: op0 3, op1 0, CRn 12, CRm 11, op2 5.
const GENERATE_INTERRUPT: u64 = 3 << 20 | 5 << 17 | 12 << 10 | 11 << 1;

impl SystemRegister {
    /// The access that the syndrome of the trap describes.
    pub fn of(syndrome: u64) -> Self {
        const ENCODING: u64 = 0x3f_fc1e;
        Self {
            encoding: syndrome & ENCODING,
            is_read: syndrome & 1 != 0,
            register: (syndrome >> 5 & 0x1f) as usize,
        }
    }

    /// Whether it generates interrupts.
    pub fn generates_interrupts(self) -> bool {
        self.encoding == GENERATE_INTERRUPT && !self.is_read
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_syndrome_names_registers() {
        // msr icc_sgi1r_el1, x3
        let access = SystemRegister::of(0x623a_3076 & !1 | 0x10 << 22);
        assert_eq!((access.register, access.is_read), (3, false));
        assert!(access.generates_interrupts());
        assert!(!SystemRegister::of(0x6230_0061).generates_interrupts());
    }
}
