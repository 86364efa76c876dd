//! x86_64: the extended state of a vCPU that runs a virtual machine under SVM.
//!
//! The state at [`EXTENDED_STATE_OFFSET`](super::vcpu::EXTENDED_STATE_OFFSET) is a VMCB in the
//! hardware's layout. General registers but rax, rsp, rip and rflags are in the vCPU state.
//!
//! Source: `abi/06` §5.1; AMD64 Architecture Programmer's Manual, volume 2, appendix B.

use crate::flags::flags;

/// Offset of the VMCB's save area.
pub const SAVE_AREA_OFFSET: usize = 0x400;
/// Offset in the VMCB of the guest's XCR0, which only software knows.
pub const XCR0_OFFSET: usize = SAVE_AREA_OFFSET + 0x298;
/// Offset in the VMCB of the clean bits.
pub const CLEAN_BITS_OFFSET: usize = 0xc0;

flags! {
    /// Parts of the VMCB that the user has not changed since the last resume.
    pub struct CleanBits: u32 {
        /// Intercepts, TSC offset, pause filter.
        const INTERCEPTS = 1 << 0;
        /// Virtual interrupt control.
        const INTERRUPT_CONTROL = 1 << 3;
        /// Nested paging: enable bit and PAT.
        const NESTED_PAGING = 1 << 4;
        /// DR6, DR7.
        const DEBUG_REGISTERS = 1 << 6;
        /// Last branch record, with its enable word.
        const LAST_BRANCH = 1 << 10;
    }
}

/// In the word of the clean bits, above them: of the save area the user has changed nothing since the last exit but
/// RAX, RSP, RIP and RFLAGS. This is ours: other kernels ignore it.
pub const UNCHANGED_SAVE_AREA: u64 = 1 << 32;

/// Intercepts that the kernel adds to the user's.
pub mod forced_intercept {
    /// Reads and writes of debug registers.
    pub const DEBUG_REGISTERS: u32 = 0xff3f_ff3f;
    /// Exceptions: #DB and #AC.
    pub const EXCEPTIONS: u32 = 1 << 1 | 1 << 17;
    /// First instruction word: INTR, NMI, SMI, INIT, RDPMC, INVD, HLT, IOIO, MSR, task switch,
    /// FERR freeze, shutdown.
    pub const INSTRUCTIONS_0: u32 =
        0xf | 1 << 15 | 1 << 22 | 1 << 24 | 1 << 27 | 1 << 28 | 1 << 29 | 1 << 30 | 1 << 31;
    /// Second instruction word: the SVM instructions, RDTSCP, MONITOR, MWAIT, XSETBV.
    pub const INSTRUCTIONS_1: u32 = 0xff | 1 << 10 | 1 << 11 | 1 << 13;
}

/// Exit code of a resume that ended because a message waits: a physical interrupt.
pub const EXIT_INTERRUPT: u64 = 0x60;
/// Bit of the guest's EFER that must be set.
pub const EFER_SVME: u64 = 1 << 12;

/// Whether all eight bytes of a guest's page attributes are memory types: 0, 1, and 4 to 7 (AMD APM volume 2, 7.8.1).
pub const fn are_memory_types(attributes: u64) -> bool {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let too_large = attributes & (EACH * 0xf8);
    let two_or_three = (attributes >> 1) & !(attributes >> 2) & EACH;
    too_large | two_or_three == 0
}

#[cfg(test)]
mod tests {
    use super::are_memory_types;

    #[test]
    fn each_byte_of_the_page_attributes_is_a_memory_type() {
        for byte in 0..=u8::MAX {
            let is_type = matches!(byte, 0 | 1 | 4..=7);
            for place in 0..8 {
                let others = 0x0007_0406_0007_0406 & !(0xff << (8 * place));
                let attributes = others | u64::from(byte) << (8 * place);
                assert_eq!(are_memory_types(attributes), is_type, "{attributes:#x}");
            }
        }
    }
}
