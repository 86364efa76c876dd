//! What can be tried on x86_64.

mod cases;
mod ports;
mod segments;

use core::arch::asm;
use core::arch::x86_64::__cpuid_count;

pub(crate) use cases::{CASES, CODE};
use l4_abi::exception::ExceptionFrame;

use crate::victim::Victim;

/// Registers that each have a value of their own.
pub(crate) fn fresh(template: &ExceptionFrame, start: u64, stack: u64) -> ExceptionFrame {
    ExceptionFrame {
        r15: 15,
        r14: 14,
        r13: 13,
        r12: 12,
        r11: 11,
        r10: 10,
        r9: 9,
        r8: 8,
        rdi: 7,
        rsi: 6,
        rbp: 5,
        rbx: 3,
        rdx: 2,
        rcx: 1,
        rax: 0,
        rip: start,
        rflags: 0x202,
        rsp: stack,
        ..*template
    }
}

/// Lets random registers lead to `address`, not into code that makes system calls.
pub(crate) fn lead(frame: &mut ExceptionFrame, address: u64) {
    frame.rip = address;
}

/// Code that does nothing worse than an exception.
pub(crate) fn target() -> u64 {
    CODE[0].start
}

/// What is more than one exception.
pub(crate) fn more(victim: &mut Victim) {
    if let Some(address) = descriptor_table() {
        crate::report::line(format_args!("descriptor table at {address:#x}"));
    }
    crate::report::line(format_args!("segments"));
    segments::descriptor_goes_away_under_a_thread(victim);
    crate::report::line(format_args!("ports"));
    ports::ports_can_be_used_while_they_are_there(victim);
}

/// Whether the processor can keep its tables' addresses from user mode.
fn has_umip() -> bool {
    const UMIP: u32 = 1 << 2;
    __cpuid_count(7, 0).ecx & UMIP != 0
}

/// Where the kernel's descriptor table is, if the processor has no UMIP and so tells everybody.
fn descriptor_table() -> Option<u64> {
    let mut pointer = [0_u16; 5];
    (!has_umip()).then(|| {
        // SAFETY: writes ten bytes.
        unsafe { asm!("sgdt [{}]", in(reg) &mut pointer, options(nostack)) };
        let [_, words @ ..] = pointer;
        words
            .iter()
            .rev()
            .fold(0, |all, &word| all << 16 | u64::from(word))
    })
}
