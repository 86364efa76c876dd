//! One register of the FPU; the compiler itself uses none.

use core::arch::asm;

use l4_test::abi::exception::{ExceptionFrame, FRAME_WORDS};

/// Bytes of an instruction.
const UDF: u64 = 4;

pub(crate) fn get() -> u64 {
    let value: u64;
    // SAFETY: reads a register.
    unsafe {
        asm!(
            ".arch_extension fp",
            "fmov {}, d7",
            ".arch_extension nofp",
            out(reg) value
        );
    }
    value
}

pub(crate) fn set(value: u64) {
    // SAFETY: nobody else uses the register.
    unsafe {
        asm!(
            ".arch_extension fp",
            "fmov d7, {}",
            ".arch_extension nofp",
            in(reg) value
        );
    }
}

/// Sets the register and executes an undefined instruction.
pub(crate) fn set_and_raise(value: u64) {
    // SAFETY: the handler skips the instruction.
    unsafe {
        asm!(
            ".arch_extension fp",
            "fmov d7, {}",
            ".arch_extension nofp",
            "udf #0",
            in(reg) value
        );
    }
}

/// The same registers, behind the instruction.
pub(crate) fn skip(words: [u64; FRAME_WORDS]) -> [u64; FRAME_WORDS] {
    let mut frame = ExceptionFrame::from_words(&words);
    frame.pc += UDF;
    frame.to_words()
}
