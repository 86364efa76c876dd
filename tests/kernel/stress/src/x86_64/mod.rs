//! Code and registers of x86_64.

use core::arch::naked_asm;

use l4_test::abi::arch::x86_64::exception::{ExceptionFrame, trap};

/// Raises an exception.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn undefined() {
    naked_asm!("ud2")
}

/// A system call, again and again.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn system_call() {
    naked_asm!("2:", "syscall", "jmp 2b")
}

/// Registers to run the code at `address`, with a number.
pub(crate) fn registers(address: u64, number: u64) -> ExceptionFrame {
    ExceptionFrame {
        rip: address,
        rbx: number,
        cs: 0x2b,
        ss: 0x23,
        rflags: 0x202,
        ..ExceptionFrame::default()
    }
}

/// The number.
pub(crate) fn value(frame: &ExceptionFrame) -> u64 {
    frame.rbx
}

pub(crate) fn is_system_call(frame: &ExceptionFrame) -> bool {
    frame.trap == trap::SYSTEM_CALL
}

pub(crate) fn is_message(frame: &ExceptionFrame) -> bool {
    frame.trap == trap::IPC
}
