//! What can be tried on aarch64, and the exception that has to come of it (abi/01, abi/02).

use core::arch::global_asm;

use l4_abi::arch::aarch64::exception::{class, exception_class, pstate};
use l4_abi::exception::ExceptionFrame;

use crate::victim::Victim;
use crate::{Case, Code};

/// The error flag in a returned tag.
const IPC_ERROR: u64 = 0x8000;

/// Declares cases: name, code, registers at its start, check of the exception. The code marks the
/// place of the exception with label 2.
macro_rules! cases {
    ($($name:literal: $code:literal, $prepare:expr, $check:expr;)*) => {
        global_asm!(
            ".arch_extension fp",
            // A system call that returns at once: a wait for oneself that times out.
            ".macro nothing_call",
            "mov x0, #0",
            "mov x2, #-2046",
            "mov w3, #0x0400",
            "movk w3, #0x0400, lsl #16",
            "svc #0",
            ".endm",
            ".pushsection .rodata.cases, \"a\", @progbits",
            ".balign 8",
            ".global entry_test_cases",
            "entry_test_cases:",
            ".popsection",
            $(concat!(
                ".pushsection .rodata.cases, \"a\", @progbits\n.quad 1f, 2f\n.popsection\n",
                ".pushsection .text.cases, \"ax\", @progbits\n1:\n", $code, "\nudf #0\n.popsection",
            ),)*
        );

        pub(crate) const CASES: [Case; COUNT] = [$(Case {
            name: $name,
            prepare: $prepare,
            check: $check,
            at_mark: true,
        },)*];

        const COUNT: usize = [$($name,)*].len();
    };
}

unsafe extern "C" {
    #[link_name = "entry_test_cases"]
    pub(crate) safe static CODE: [Code; COUNT];
}

/// Nothing to prepare.
const fn as_is(_: &mut ExceptionFrame) {}

fn class_of(frame: &ExceptionFrame) -> u64 {
    exception_class(frame.error)
}

fn undefined(frame: &ExceptionFrame) -> bool {
    class_of(frame) == class::UNKNOWN
}

fn refused(frame: &ExceptionFrame) -> bool {
    undefined(frame) || class_of(frame) == class::SYSTEM_REGISTER
}

fn illegal(frame: &ExceptionFrame) -> bool {
    class_of(frame) == class::ILLEGAL_STATE
}

cases! {
    "undefined instruction": "2: udf #0", as_is, undefined;

    "registers survive a system call": "nothing_call\n2: udf #0", as_is,
        |frame| undefined(frame)
            && frame.x[0] & IPC_ERROR != 0
            && (4..31).all(|number| frame.x[number] == number as u64);
    "breakpoint": "2: brk #1", as_is, |frame| class_of(frame) == class::BREAKPOINT;
    "hypervisor call": "2: hvc #0", as_is, undefined;
    "monitor call": "2: smc #0", as_is, undefined;
    "exception return": "2: eret", as_is, undefined;
    "wait for interrupt": "2: wfi", as_is, |frame| class_of(frame) == class::WFX;

    "interrupt mask": "2: msr daifset, #2", as_is, refused;
    "read of SCTLR_EL1": "2: mrs x0, sctlr_el1", as_is, refused;
    "write of TTBR0_EL1": "2: msr ttbr0_el1, x0", as_is, refused;
    "write of VTTBR_EL2": "2: msr vttbr_el2, x0", as_is, refused;
    "read of HCR_EL2": "2: mrs x0, hcr_el2", as_is, refused;
    "write of VBAR_EL2": "2: msr vbar_el2, x0", as_is, refused;
    "TLB": "2: tlbi alle1", as_is, refused;
    "cache by set and way": "2: dc cisw, x0", as_is, refused;
    "timer of the kernel": "2: msr cnthp_ctl_el2, x0", as_is, refused;
    "physical timer": "2: msr cntp_ctl_el0, x0", as_is, refused;
    "virtual timer": "2: msr cntv_ctl_el0, x0", as_is, refused;
    "UTCB register": "2: msr tpidrro_el0, x0", as_is, refused;
    "monitors": "2: msr pmcr_el0, x0", as_is, refused;
    "debug registers": "2: msr mdscr_el1, x0", as_is, refused;

    "address beyond all": "mov x1, #0x7f00000000000000\n2: ldr x0, [x1]", as_is,
        |frame| class_of(frame) == class::DATA_ABORT_LOWER;

    "mode EL1": "2: udf #0", |frame| frame.pstate = pstate::EL1H, |frame| illegal(frame) || undefined(frame);
    "mode EL2": "2: udf #0", |frame| frame.pstate = 9, illegal;
    "mode EL3": "2: udf #0", |frame| frame.pstate = 13, illegal;
    "masked interrupts": "2: udf #0",
        |frame| frame.pstate |= pstate::IRQ_MASK | pstate::FIQ_MASK | pstate::DEBUG_MASK, undefined;
    "illegal state": "2: udf #0", |frame| frame.pstate |= pstate::ILLEGAL, illegal;

    "FPU registers are set": "mov x0, #0x1234\nfmov d7, x0\n2: udf #0", as_is, undefined;
    "FPU registers are kept": "nothing_call\nfmov x0, d7\n2: udf #0", as_is,
        |frame| undefined(frame) && frame.x[0] == 0x1234;
}

/// Registers that each have a value of their own.
pub(crate) fn fresh(template: &ExceptionFrame, start: u64, stack: u64) -> ExceptionFrame {
    ExceptionFrame {
        x: core::array::from_fn(|number| number as u64),
        pc: start,
        sp: stack,
        pstate: pstate::INITIAL,
        ..*template
    }
}

/// Lets random registers lead to `address`, not into code that makes system calls.
pub(crate) fn lead(frame: &mut ExceptionFrame, address: u64) {
    frame.pc = address;
}

/// Code that does nothing worse than an exception.
pub(crate) fn target() -> u64 {
    CODE[0].start
}

/// What is more than one exception: nothing.
pub(crate) fn more(_: &mut Victim) {}
