//! Instructions that fault.

use core::arch::asm;

/// Uses the FPU.
pub(crate) fn use_fpu() {
    // SAFETY: the program has no other use for the register.
    unsafe {
        asm!(
            ".arch_extension fp",
            "fmov d0, x0",
            options(nomem, nostack, preserves_flags)
        );
    }
}

/// Executes what the CPU does not know.
pub(crate) fn undefined_instruction() {
    // SAFETY: it is an exception, after which the thread starts afresh.
    unsafe { asm!("udf #0", options(nomem, nostack)) }
}
