//! Code and registers of aarch64.

use core::arch::{asm, naked_asm};

use l4_test::abi::exception::ExceptionFrame;

/// Uses the FPU.
pub(crate) fn use_fpu() -> u64 {
    // SAFETY: compiled code here uses no FPU registers.
    unsafe {
        asm!(
            ".arch_extension fp",
            "fmov d0, xzr",
            ".arch_extension nofp",
            options(nomem, nostack)
        );
    }
    0
}

/// Sleeps for a short time again and again, without a stack.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn sleep_again() {
    // Receive from nobody, for 100 µs.
    naked_asm!(
        "2:",
        "mov x0, #0",
        "mov x1, #0",
        "mov x2, #-2046",
        "mov x3, #100",
        "svc #0",
        "b 2b"
    )
}

/// Reads the word that its argument points to.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn read_data() {
    naked_asm!("ldr x1, [x0]", "udf #0")
}

/// Registers to run `code` with `argument`.
pub(crate) fn registers(code: unsafe extern "C" fn(), argument: u64) -> ExceptionFrame {
    let mut frame = ExceptionFrame {
        pc: code as *const () as u64,
        ..ExceptionFrame::default()
    };
    frame.x[0] = argument;
    frame
}

/// What [`read_data`] has read.
pub(crate) fn value(frame: &ExceptionFrame) -> u64 {
    frame.x[1]
}
