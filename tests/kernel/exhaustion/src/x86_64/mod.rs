//! Code and registers of x86_64.

use core::arch::{asm, naked_asm};

use l4_test::abi::exception::ExceptionFrame;

/// Uses the FPU.
pub(crate) fn use_fpu() -> u64 {
    // SAFETY: compiled code here uses no FPU registers.
    unsafe { asm!("fnop", options(nomem, nostack)) };
    0
}

/// Sleeps for a short time again and again, without a stack.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn sleep_again() {
    // Receive from nobody, for 100 µs.
    naked_asm!(
        "2:",
        "xor eax, eax",
        "mov rdx, -2046",
        "mov r8d, 100",
        "syscall",
        "jmp 2b"
    )
}

/// Reads the word that its argument points to.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn read_data() {
    naked_asm!("mov rax, [rdi]", "ud2")
}

/// Registers to run `code` with `argument`.
pub(crate) fn registers(code: unsafe extern "C" fn(), argument: u64) -> ExceptionFrame {
    ExceptionFrame {
        rip: code as *const () as u64,
        rdi: argument,
        cs: 0x2b,
        ss: 0x23,
        rflags: 0x202,
        ..ExceptionFrame::default()
    }
}

/// What [`read_data`] has read.
pub(crate) fn value(frame: &ExceptionFrame) -> u64 {
    frame.rax
}
