//! First instructions of a worker.

use core::arch::naked_asm;

/// Takes a function and its argument from the stack and calls it.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn start() -> ! {
    naked_asm!(
        "pop rax",
        "pop rdi",
        "xor ebp, ebp",
        "and rsp, -16",
        "call rax",
        "ud2"
    )
}
