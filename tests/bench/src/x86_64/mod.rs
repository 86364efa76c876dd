//! The counter is the time stamp counter.

mod guest;

use core::arch::{asm, naked_asm};

use l4_test::abi::arch::x86_64::exception::ExceptionFrame;

pub(crate) use guest::Guest;

/// The counter.
#[inline(always)]
pub(crate) fn counter() -> u64 {
    let (low, high): (u64, u64);
    // SAFETY: reads a register. Memory is clobbered, so what is measured stays where it is.
    unsafe { asm!("rdtsc", out("rax") low, out("rdx") high, options(nostack)) };
    high << 32 | low
}

/// Executes as many instructions as it returns, about.
pub(crate) fn count_down(rounds: u64) -> u64 {
    // SAFETY: counts a register down.
    unsafe { asm!("2:", "nop", "dec {0}", "jnz 2b", inout(reg) rounds => _, options(nostack)) };
    rounds * 3
}

/// First instructions of a thread: calls the function on top of its stack with the counter.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn start() -> ! {
    naked_asm!(
        "rdtsc",
        "shl rdx, 32",
        "lea rdi, [rax + rdx]",
        "pop rax",
        "xor ebp, ebp",
        "and rsp, -16",
        "call rax",
        "ud2"
    )
}

/// What a vCPU runs: reads the counter and makes a system call.
#[unsafe(naked)]
pub(crate) extern "C" fn user_mode() {
    naked_asm!("rdtsc", "syscall", "ud2")
}

/// What a vCPU runs until it is interrupted. (At `pause` the emulator stops each time.)
#[unsafe(naked)]
pub(crate) extern "C" fn spin() {
    naked_asm!("2:", "jmp 2b")
}

/// The registers of a vCPU that is to run `code`.
pub(crate) fn user_registers(code: extern "C" fn()) -> ExceptionFrame {
    ExceptionFrame {
        rip: code as *const () as u64,
        cs: 0x2b,
        ss: 0x23,
        rflags: 0x202,
        ..ExceptionFrame::default()
    }
}

/// Loads the selectors that threads begin with. An entry leaves the null selectors of a vCPU's
/// kernel mode, and the kernel exchanges selectors when it switches between threads that differ.
pub(crate) fn load_selectors() {
    const DATA: u16 = 0x23;
    // SAFETY: the segments of flat memory.
    unsafe {
        asm!("mov ds, {0:x}", "mov es, {0:x}", in(reg) DATA, options(nostack, preserves_flags));
    }
}

/// The counter that [`user_mode`] has read.
#[inline(always)]
pub(crate) fn user_counter(registers: &ExceptionFrame) -> u64 {
    registers.rdx << 32 | registers.rax
}
