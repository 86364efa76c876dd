//! The counter is that of the generic timer.

mod guest;

use core::arch::{asm, naked_asm};

use l4_test::abi::arch::aarch64::exception::ExceptionFrame;

pub(crate) use guest::Guest;

/// The counter.
#[inline(always)]
pub(crate) fn counter() -> u64 {
    let counter;
    // SAFETY: reads a register. Memory is clobbered, so what is measured stays where it is.
    unsafe { asm!("mrs {}, cntvct_el0", out(reg) counter, options(nostack)) };
    counter
}

/// Executes as many instructions as it returns, about.
pub(crate) fn count_down(rounds: u64) -> u64 {
    // SAFETY: counts a register down.
    unsafe {
        asm!("2:", "nop", "subs {0}, {0}, #1", "b.ne 2b", inout(reg) rounds => _, options(nostack))
    };
    rounds * 3
}

/// First instructions of a thread: calls the function on top of its stack with the counter.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn start() -> ! {
    naked_asm!(
        "mrs x0, cntvct_el0",
        "ldr x9, [sp], #16",
        "mov x29, xzr",
        "mov x30, xzr",
        "blr x9",
        "udf #0"
    )
}

/// What a vCPU runs: reads the counter and makes a system call.
#[unsafe(naked)]
pub(crate) extern "C" fn user_mode() {
    naked_asm!("mrs x0, cntvct_el0", "svc #0", "udf #0")
}

/// What a vCPU runs until it is interrupted.
#[unsafe(naked)]
pub(crate) extern "C" fn spin() {
    naked_asm!("2:", "b 2b")
}

/// The registers of a vCPU that is to run `code`.
pub(crate) fn user_registers(code: extern "C" fn()) -> ExceptionFrame {
    ExceptionFrame {
        pc: code as *const () as u64,
        ..ExceptionFrame::default()
    }
}

/// There are no selectors here.
pub(crate) fn load_selectors() {}

/// The counter that [`user_mode`] has read.
#[inline(always)]
pub(crate) fn user_counter(registers: &ExceptionFrame) -> u64 {
    registers.x[0]
}
