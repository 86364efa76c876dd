//! First instructions of a worker, and code for special purposes; guests.

pub mod guest;
pub mod segments;

use core::arch::naked_asm;

use l4_abi::exception::ExceptionFrame;

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

/// Raises an exception.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn undefined() {
    naked_asm!("ud2")
}

/// Runs for ever, without memory.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn spin() {
    naked_asm!("2:", "pause", "jmp 2b")
}

/// Registers of a vCPU's user mode that is to run the code at `address`.
pub(crate) fn user_registers(address: u64) -> ExceptionFrame {
    ExceptionFrame {
        rip: address,
        cs: 0x2b,
        ss: 0x23,
        rflags: 0x202,
        ..ExceptionFrame::default()
    }
}
