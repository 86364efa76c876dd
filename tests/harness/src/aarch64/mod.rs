//! First instructions of a worker.

use core::arch::naked_asm;

/// Takes a function and its argument from the stack and calls it.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn start() -> ! {
    naked_asm!(
        "ldp x9, x0, [sp], #16",
        "mov x29, xzr",
        "mov x30, xzr",
        "blr x9",
        "udf #0"
    )
}
