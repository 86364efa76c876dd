//! First instructions of a worker, and code for special purposes.

use core::arch::naked_asm;

use l4_abi::exception::ExceptionFrame;

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

/// Raises an exception.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn undefined() {
    naked_asm!("udf #0")
}

/// Runs for ever, without memory.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn spin() {
    naked_asm!("2:", "b 2b")
}

/// Registers of a vCPU's user mode that is to run the code at `address`.
pub(crate) fn user_registers(address: u64) -> ExceptionFrame {
    ExceptionFrame {
        pc: address,
        ..ExceptionFrame::default()
    }
}
