//! Code and registers of aarch64.

use core::arch::naked_asm;

use l4_test::abi::arch::aarch64::exception::{ExceptionFrame, class, exception_class};

/// Raises an exception.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn undefined() {
    naked_asm!("udf #0")
}

/// A system call, again and again.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn system_call() {
    naked_asm!("2:", "svc #0", "b 2b")
}

/// Registers to run the code at `address`, with a number.
pub(crate) fn registers(address: u64, number: u64) -> ExceptionFrame {
    let mut frame = ExceptionFrame {
        pc: address,
        ..ExceptionFrame::default()
    };
    frame.x[20] = number;
    frame
}

/// The number.
pub(crate) fn value(frame: &ExceptionFrame) -> u64 {
    frame.x[20]
}

pub(crate) fn is_system_call(frame: &ExceptionFrame) -> bool {
    exception_class(frame.error) == class::SVC64
}

pub(crate) fn is_message(frame: &ExceptionFrame) -> bool {
    exception_class(frame.error) == class::IPC
}
