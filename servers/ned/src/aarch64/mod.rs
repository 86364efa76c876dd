//! Registers and exceptions of aarch64, for people.

use core::fmt;

use l4_abi::arch::native::exception::{ExceptionFrame, class, exception_class};

const GENERAL_REGISTERS: usize = 31;
const NAMES: [&str; GENERAL_REGISTERS] = [
    "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14",
    "x15", "x16", "x17", "x18", "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26", "x27",
    "x28", "fp", "lr",
];

/// The registers, in the order of the manual.
pub(crate) fn registers(frame: &ExceptionFrame) -> [(&'static str, u64); GENERAL_REGISTERS + 5] {
    core::array::from_fn(|index| match index {
        index if index < GENERAL_REGISTERS => (NAMES[index], frame.x[index]),
        31 => ("sp", frame.sp),
        32 => ("pc", frame.pc),
        33 => ("pstate", frame.pstate),
        34 => ("esr", frame.error),
        _ => ("far", frame.fault_address),
    })
}

/// Bits of an abort's syndrome.
const WRITE_NOT_READ: u64 = 1 << 6;
const STATUS_TYPE: u64 = 0x3c;
const STATUS_TRANSLATION: u64 = 0x04;

/// What went wrong, in words.
pub(crate) struct Reason<'a>(pub(crate) &'a ExceptionFrame);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let frame = self.0;
        let abort_class = exception_class(frame.error);
        let access = match abort_class {
            class::INSTRUCTION_ABORT_LOWER => "execution",
            class::DATA_ABORT_LOWER if frame.error & WRITE_NOT_READ != 0 => "write",
            class::DATA_ABORT_LOWER => "read",
            class::UNKNOWN => return out.write_str("undefined instruction"),
            class::WFX => return out.write_str("trapped wait instruction"),
            class::NO_FPU => return out.write_str("FPU not available"),
            class::ILLEGAL_STATE => return out.write_str("illegal processor state"),
            class::SYSTEM_REGISTER => return out.write_str("trapped system register"),
            class::BREAKPOINT => return out.write_str("breakpoint"),
            class::TRIGGERED => return out.write_str("exception on request"),
            other => {
                return write!(
                    out,
                    "exception class {other:#x}, syndrome {:#x}",
                    frame.error
                );
            }
        };
        let why = if frame.error & STATUS_TYPE == STATUS_TRANSLATION {
            "where nothing can be mapped"
        } else {
            "which is not allowed there"
        };
        write!(out, "{access} at {:#x}, {why}", frame.fault_address)
    }
}
