//! Registers and exceptions of x86_64, for people.

use core::fmt;

use l4_abi::arch::native::exception::{ExceptionFrame, trap};

/// The registers, in the order of the manuals.
pub(crate) fn registers(frame: &ExceptionFrame) -> [(&'static str, u64); 20] {
    [
        ("rax", frame.rax),
        ("rbx", frame.rbx),
        ("rcx", frame.rcx),
        ("rdx", frame.rdx),
        ("rsi", frame.rsi),
        ("rdi", frame.rdi),
        ("rbp", frame.rbp),
        ("rsp", frame.rsp),
        ("r8", frame.r8),
        ("r9", frame.r9),
        ("r10", frame.r10),
        ("r11", frame.r11),
        ("r12", frame.r12),
        ("r13", frame.r13),
        ("r14", frame.r14),
        ("r15", frame.r15),
        ("rip", frame.rip),
        ("rflags", frame.rflags),
        ("trap", frame.trap),
        ("error", frame.error),
    ]
}

/// Bits of a page fault's error code.
const ERROR_PRESENT: u64 = 1 << 0;
const ERROR_WRITE: u64 = 1 << 1;
const ERROR_FETCH: u64 = 1 << 4;

/// What went wrong, in words.
pub(crate) struct Reason<'a>(pub(crate) &'a ExceptionFrame);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let frame = self.0;
        let name = match frame.trap {
            trap::PAGE_FAULT => {
                let access = match frame.error {
                    error if error & ERROR_FETCH != 0 => "execution",
                    error if error & ERROR_WRITE != 0 => "write",
                    _ => "read",
                };
                let why = if frame.error & ERROR_PRESENT != 0 {
                    "which is not allowed there"
                } else {
                    "where nothing can be mapped"
                };
                return write!(out, "{access} at {:#x}, {why}", frame.fault_address);
            }
            trap::DIVIDE => "division by zero or overflow",
            trap::DEBUG => "debug exception",
            trap::BREAKPOINT => "breakpoint",
            trap::UNDEFINED => "undefined instruction",
            trap::NO_FPU => "FPU not available",
            trap::GENERAL_PROTECTION => "general protection: privileged instruction or bad address",
            trap::TRIGGERED => "exception on request",
            other => return write!(out, "exception {other}, error code {:#x}", frame.error),
        };
        out.write_str(name)
    }
}
