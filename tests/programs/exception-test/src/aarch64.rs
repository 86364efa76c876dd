//! What EL0 must not do on aarch64.

use l4_abi::arch::aarch64::exception::{class, exception_class, pstate};
use l4_abi::exception::ExceptionFrame;

use crate::Refusal::{Exception, PageFault};
use crate::{Attack, Code};

/// Numbers of exceptions: classes.
pub(crate) const BREAKPOINT: u64 = class::BREAKPOINT;
pub(crate) const TRIGGERED: u64 = class::TRIGGERED;
pub(crate) const PAGE_FAULT: u64 = DATA_ABORT;
/// Both aborts count as this one.
const DATA_ABORT: u64 = class::DATA_ABORT_LOWER;
/// PC alignment fault.
const PC_ALIGNMENT: u64 = 0x22;

/// Page-fault flags: not mapped, written, fetched.
const UNMAPPED: u64 = 1;
const WRITE: u64 = 2;
const FETCH: u64 = 4;

macro_rules! code {
    ($($name:ident: $($line:literal),+;)*) => {
        $(
            #[unsafe(naked)]
            unsafe extern "C" fn $name() {
                core::arch::naked_asm!(
                    ".arch_extension fp", ".arch_extension simd",
                    $($line,)+
                    "udf #0", ".ltorg", ".arch_extension nofp",
                )
            }
        )*
    };
}

macro_rules! attacks {
    ($($group:literal { $($name:ident: $refusal:expr => $($line:literal),+;)* })*) => {
        code! { $($($name: $($line),+;)*)* }

        /// All of them, by what they try.
        pub(crate) const ATTACKS: &[(&str, &[Attack])] = &[$(($group, &[
            $(Attack { name: stringify!($name), code: $name, refusal: $refusal },)*
        ]),)*];
    };
}

const UNDEFINED: u64 = class::UNKNOWN;
const TRAPPED: u64 = class::SYSTEM_REGISTER;

attacks! {
    "reads and writes outside of its memory" {
        read_null: PageFault(UNMAPPED) => "mov x0, #8", "ldr x1, [x0]";
        read_far: PageFault(0) => "ldr x0, =0x0001000000000000", "ldr x1, [x0]";
        read_tagged: PageFault(0) => "ldr x0, =0xff00000001000000", "ldr x1, [x0]";
        write_code: PageFault(WRITE) => "adr x0, .", "str x1, [x0]";
        zero_nothing: PageFault(UNMAPPED | WRITE) => "mov x0, #0x1000", "dc zva, x0";
        exclusive_null: PageFault(UNMAPPED) => "mov x0, #0", "ldxr x1, [x0]";
    }
    "running what is no code" {
        run_data: PageFault(FETCH) => "ldr x0, =0xb8000000", "br x0";
        misaligned_jump: Exception(PC_ALIGNMENT) => "adr x0, .", "add x0, x0, #2", "br x0";
    }
    "addresses of the kernel" {
        read_kernel_image: PageFault(UNMAPPED) => "ldr x0, =0x40001000", "ldr x1, [x0]";
        run_kernel_image: PageFault(UNMAPPED | FETCH) => "ldr x0, =0x40001000", "br x0";
    }
    "devices and I/O ports" {
        write_device: PageFault(UNMAPPED | WRITE) => "ldr x0, =0x09000000", "str w1, [x0]";
    }
    "system registers" {
        read_sctlr: Exception(UNDEFINED) => "mrs x0, sctlr_el1";
        write_ttbr: Exception(UNDEFINED) => "msr ttbr0_el1, x0";
        write_vbar: Exception(UNDEFINED) => "msr vbar_el1, x0";
        read_hcr: Exception(UNDEFINED) => "mrs x0, hcr_el2";
        write_vttbr: Exception(UNDEFINED) => "msr vttbr_el2, x0";
        write_elr: Exception(UNDEFINED) => "msr elr_el2, x0";
        read_tpidr_el2: Exception(UNDEFINED) => "mrs x0, tpidr_el2";
        write_tpidrro: Exception(UNDEFINED) => "msr tpidrro_el0, x0";
        read_midr: Exception(UNDEFINED) => "mrs x0, midr_el1";
        read_timer: Exception(TRAPPED) => "mrs x0, cntv_ctl_el0";
        write_timer: Exception(TRAPPED) => "msr cntp_cval_el0, x0";
        write_kernel_timer: Exception(UNDEFINED) => "msr cnthp_cval_el2, x0";
        read_cycles: Exception(TRAPPED) => "mrs x0, pmccntr_el0";
        write_monitor_control: Exception(TRAPPED) => "msr pmcr_el0, x0";
        read_debug: Exception(UNDEFINED) => "mrs x0, mdscr_el1";
        read_debug_channel: Exception(TRAPPED) => "mrs x0, mdccsr_el0";
        take_interrupt: Exception(UNDEFINED) => "mrs x0, S3_0_C12_C12_0";
        end_interrupt: Exception(UNDEFINED) => "msr S3_0_C12_C12_1, x0";
        send_interrupt: Exception(UNDEFINED) => "msr S3_0_C12_C11_5, x0";
    }
    "privileged instructions" {
        hypercall: Exception(UNDEFINED) => "hvc #0";
        secure_call: Exception(UNDEFINED) => "smc #0";
        return_from_exception: Exception(UNDEFINED) => "eret";
        wait_for_interrupt: Exception(class::WFX) => "wfi";
        mask_interrupts: Exception(TRAPPED) => "msr daifset, #3";
        select_stack: Exception(UNDEFINED) => "msr spsel, #1";
        flush_by_set: Exception(UNDEFINED) => "dc isw, x0";
        invalidate_line: Exception(UNDEFINED) => "dc ivac, x0";
        invalidate_instructions: Exception(UNDEFINED) => "ic ialluis";
        flush_tlb: Exception(UNDEFINED) => "tlbi vmalle1is";
        flush_kernel_tlb: Exception(UNDEFINED) => "tlbi alle2is";
        translate: Exception(UNDEFINED) => "at s12e1r, x0";
    }
    "undefined instructions and divisions" {
        undefined: Exception(UNDEFINED) => "udf #7";
    }
}

code! {
    brk: "brk #1";
    spin: "b .";
    alternate:
        "mov x9, sp",
        "mov x10, #1000",
        "mov x11, #0",
        "dup v0.2d, x9", "mov v1.16b, v0.16b", "mov v15.16b, v0.16b", "mov v31.16b, v0.16b",
        "msr fpsr, x9",
        "1: mov x0, #0",
        "mov x1, #0",
        "mov x2, #-2046", // no capability, receive
        "mov x3, #2", // for 2 µs
        "svc #0",
        "fmov x12, d0", "eor x12, x12, x9", "orr x11, x11, x12",
        "mov x12, v1.d[1]", "eor x12, x12, x9", "orr x11, x11, x12",
        "mov x12, v15.d[0]", "eor x12, x12, x9", "orr x11, x11, x12",
        "mov x12, v31.d[1]", "eor x12, x12, x9", "orr x11, x11, x12",
        "mrs x12, fpsr", "eor x12, x12, x9", "orr x11, x11, x12",
        "subs x10, x10, #1",
        "b.ne 1b",
        "mov x0, x11",
        "brk #1";
    look:
        "fmov x0, d0",
        "mov x2, v31.d[1]", "orr x0, x0, x2",
        "mov x2, v15.d[0]", "orr x0, x0, x2",
        "mrs x2, fpsr", "orr x0, x0, x2",
        "mrs x2, fpcr", "orr x0, x0, x2",
        "brk #1";
}

/// Raises [`BREAKPOINT`].
pub(crate) const BREAKPOINT_CODE: Code = brk;
/// Never ends.
pub(crate) const ENDLESS_LOOP: Code = spin;
/// Fills FPU registers with the stack pointer, which is 1 to 15, and sleeps many times; the
/// result is 0 if they always stay. Then a breakpoint.
pub(crate) const FPU_ALTERNATE: Code = alternate;
/// The result is 0 if the FPU is fresh; then a breakpoint.
pub(crate) const FPU_LOOK: Code = look;

/// A thread that goes on after its breakpoint meets the same one again.
pub(crate) fn after_breakpoint(instruction_pointer: u64) -> u64 {
    instruction_pointer
}

/// The exception's number; [`PAGE_FAULT`] for both aborts.
pub(crate) fn number(frame: &ExceptionFrame) -> u64 {
    match exception_class(frame.error) {
        class::INSTRUCTION_ABORT_LOWER => DATA_ABORT,
        class => class,
    }
}

/// What code leaves for the test.
pub(crate) fn result(frame: &ExceptionFrame) -> u64 {
    frame.x[0]
}

/// The same registers, elsewhere.
pub(crate) fn at(frame: ExceptionFrame, instruction_pointer: u64) -> ExceptionFrame {
    ExceptionFrame {
        pc: instruction_pointer,
        ..frame
    }
}

/// The same registers without anything that a thread must not have.
pub(crate) fn mended(frame: ExceptionFrame) -> ExceptionFrame {
    ExceptionFrame {
        sp: 0,
        pstate: pstate::INITIAL,
        ..frame
    }
}

type Spoil = fn(&mut ExceptionFrame);

const ILLEGAL: u64 = class::ILLEGAL_STATE;

/// Changes of the registers at a breakpoint, and the exceptions that follow.
pub(crate) const SPOILT_REGISTERS: &[(&str, Spoil, u64)] = &[
    ("EL1 with its stack", |frame| frame.pstate = 0x3c5, ILLEGAL),
    ("EL1", |frame| frame.pstate = 0x4, ILLEGAL),
    ("EL2 with its stack", |frame| frame.pstate = 0x3c9, ILLEGAL),
    ("EL2", |frame| frame.pstate = 0x8, ILLEGAL),
    ("EL3 with its stack", |frame| frame.pstate = 0x3cd, ILLEGAL),
    ("EL3", |frame| frame.pstate = 0xc, ILLEGAL),
    (
        "EL0 with the stack of another",
        |frame| frame.pstate = 0x1,
        ILLEGAL,
    ),
    ("a reserved mode", |frame| frame.pstate = 0x2, ILLEGAL),
    ("AArch32 supervisor", |frame| frame.pstate = 0x1d3, ILLEGAL),
    ("AArch32 hypervisor", |frame| frame.pstate = 0x1da, ILLEGAL),
    ("AArch32 monitor", |frame| frame.pstate = 0x1d6, ILLEGAL),
    ("AArch32 system", |frame| frame.pstate = 0x1df, ILLEGAL),
    ("an illegal state", |frame| frame.pstate = 1 << 20, ILLEGAL),
    ("all bits of the state", |frame| frame.pstate = !0, ILLEGAL),
    (
        "masked interrupts",
        |frame| frame.pstate = 0x3c0,
        BREAKPOINT,
    ),
    ("single step", |frame| frame.pstate = 1 << 21, BREAKPOINT),
    ("no stack", |frame| frame.sp = !0, BREAKPOINT),
    ("a misaligned pc", |frame| frame.pc += 1, PC_ALIGNMENT),
    (
        "a pc of the kernel",
        |frame| frame.pc = 0x4000_1000,
        DATA_ABORT,
    ),
    (
        "a far pc",
        |frame| frame.pc = 0xffff_ffff_ffff_fffc,
        DATA_ABORT,
    ),
];
