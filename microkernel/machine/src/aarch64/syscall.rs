//! The way into the kernel from user mode, and the only way out.
//!
//! In user mode SP_EL2 points to the current thread's [`Frame`], so that
//! entry saves registers without a free one; or, if the block names some, to
//! the registers in a vCPU's state, where those of its system calls are to be.
//! Interrupts are masked at EL2; in idle the CPU waits for one with them
//! masked and takes it by a call.

use core::arch::{asm, global_asm};
use core::mem::offset_of;

use super::context::Frame;
use crate::per_cpu::{BIND, CREATE, CpuBlock, EX_REGS, RESUME, RUN, ShortWay, TaskAnswer};

/// Offsets in [`CpuBlock`](crate::per_cpu::CpuBlock), which `per_cpu.rs` fixes.
const BLOCK_FRAME: usize = 8;
const BLOCK_STACK_TOP: usize = 16;
const BLOCK_REGISTERS: usize = 56;

unsafe extern "C" {
    /// Leaves the kernel: to the frame that this CPU's block (TPIDR_EL2)
    /// names, or to idle.
    #[link_name = "brio_leave"]
    pub(super) fn leave() -> !;

    /// The exception vectors (D1.10.2).
    #[link_name = "brio_vectors"]
    pub(super) static VECTORS: u8;
}

/// Leaves the kernel, if all is done and another frame is entered. That loads
/// all registers, so those that a function preserves need not be.
///
/// # Safety
/// Nothing on the kernel stack is needed any more.
#[inline(always)]
pub unsafe fn leave_by(cpu: &CpuBlock, way: ShortWay) {
    // SAFETY: promised by the caller.
    unsafe {
        match way {
            ShortWay::ToTheFrame | ShortWay::ToASyscall => {
                asm!("b brio_leave_for", in("x1") cpu.frame(), options(noreturn))
            }
            ShortWay::ToAnEntry => {
                asm!("b brio_leave_entry", in("x1") cpu.frame(), options(noreturn))
            }
            ShortWay::ToARegisterSet => {
                asm!("b brio_leave_registers", in("x0") cpu.registers(), in("x1") cpu.frame(),
                    options(noreturn))
            }
            ShortWay::Nowhere | ShortWay::ToTheEnd | ShortWay::ToTheExit => {}
        }
    }
}

global_asm!(
    ".pushsection .text.entry, \"ax\", @progbits",
    ".macro save_first",
    "stp x0, x1, [sp, #{x}]",
    "stp x2, x3, [sp, #{x} + 16]",
    "stp x4, x5, [sp, #{x} + 32]",
    "stp x6, x7, [sp, #{x} + 48]",
    "stp x8, x9, [sp, #{x} + 64]",
    "stp x10, x11, [sp, #{x} + 80]",
    "stp x12, x13, [sp, #{x} + 96]",
    "stp x14, x15, [sp, #{x} + 112]",
    "stp x16, x17, [sp, #{x} + 128]",
    "str x30, [sp, #{x} + 240]",
    ".endm",
    ".macro load_behind_first",
    "ldp x16, x17, [sp, #{x} + 128]",
    "ldp x14, x15, [sp, #{x} + 112]",
    "ldp x12, x13, [sp, #{x} + 96]",
    "ldp x10, x11, [sp, #{x} + 80]",
    "ldp x8, x9, [sp, #{x} + 64]",
    "ldp x6, x7, [sp, #{x} + 48]",
    "ldp x4, x5, [sp, #{x} + 32]",
    "ldp x2, x3, [sp, #{x} + 16]",
    ".endm",
    ".macro load_first",
    "load_behind_first",
    "ldp x0, x1, [sp, #{x}]",
    ".endm",
    // All that the thread has. Destroys x9 to x11.
    ".macro save_frame",
    "save_first",
    "save_rest",
    ".endm",
    // The same, when `save_first` is done.
    ".macro save_rest",
    "stp x18, x19, [sp, #{x} + 144]",
    "stp x20, x21, [sp, #{x} + 160]",
    "stp x22, x23, [sp, #{x} + 176]",
    "stp x24, x25, [sp, #{x} + 192]",
    "stp x26, x27, [sp, #{x} + 208]",
    "stp x28, x29, [sp, #{x} + 224]",
    "mrs x9, sp_el0",
    "mrs x10, elr_el2",
    "mrs x11, spsr_el2",
    "stp x9, x10, [sp, #{sp}]",
    "str x11, [sp, #{pstate}]",
    ".endm",
    // What `eret` loads, from the frame in x1.
    ".macro load_control",
    "mov sp, x1",
    "ldp x2, x3, [sp, #{sp}]",
    "ldr x4, [sp, #{pstate}]",
    "msr sp_el0, x2",
    "msr elr_el2, x3",
    "msr spsr_el2, x4",
    ".endm",
    // With all registers but what `load_control` has loaded.
    ".macro return_to_user",
    "ldr x30, [sp, #{x} + 240]",
    "ldp x28, x29, [sp, #{x} + 224]",
    "ldp x26, x27, [sp, #{x} + 208]",
    "ldp x24, x25, [sp, #{x} + 192]",
    "ldp x22, x23, [sp, #{x} + 176]",
    "ldp x20, x21, [sp, #{x} + 160]",
    "ldp x18, x19, [sp, #{x} + 144]",
    "load_first",
    "eret",
    // No CPU speculates past this.
    "dsb nsh",
    "isb",
    ".endm",
    // With the CPU's block in x0.
    ".macro to_kernel_stack",
    "mrs x0, tpidr_el2",
    "ldr x5, [x0, #{stack_top}]",
    "mov sp, x5",
    ".endm",
    //
    // One of the two groups for exceptions from user mode.
    ".macro lower_vectors",
    ".balign 128", // synchronous
    "save_first",
    "mrs x9, esr_el2",
    "lsr w10, w9, #26",
    "cmp w10, #{svc}",
    "b.ne brio_sync_fault",
    // Messages have labels that are not negative, interrupts -1.
    "tbnz x0, #19, brio_any_syscall",
    "tbz x0, #63, brio_any_syscall",
    "asr x10, x0, #16",
    "cmn x10, #{task}",
    "b.eq brio_task_entry",
    "b brio_resume_entry",
    ".balign 128", // IRQ
    "save_frame",
    "to_kernel_stack",
    "bl {interrupt}",
    "b brio_leave",
    ".balign 128", // FIQ: as IRQ; the GIC sends none to a non-secure kernel
    "save_frame",
    "to_kernel_stack",
    "bl {interrupt}",
    "b brio_leave",
    ".balign 128", // SError
    "save_frame",
    "mrs x1, esr_el2",
    "b brio_fault_entry",
    ".endm",
    //
    // The kernel itself did something wrong. Its stack may be the reason.
    ".macro kernel_vector",
    ".balign 128",
    "mov x0, x29",
    "mov x1, sp",
    // The first CPU that fails has the stack; what fails after it stops.
    "adrp x2, {emergency_stack_in_use}",
    "add x2, x2, :lo12:{emergency_stack_in_use}",
    "mov w3, #1",
    "1: ldaxr w4, [x2]",
    "cbnz w4, 2f",
    "stxr w4, w3, [x2]",
    "cbnz w4, 1b",
    "adrp x2, {emergency_stack}",
    "add x2, x2, :lo12:{emergency_stack}",
    "mov x3, #{emergency_stack_size}",
    "add sp, x2, x3",
    "b {kernel_exception}",
    "2: wfi",
    "b 2b",
    ".endm",
    //
    ".balign 2048",
    ".global brio_vectors",
    "brio_vectors:",
    ".rept 8",
    "kernel_vector",
    ".endr",
    "lower_vectors",
    "lower_vectors",
    ".balign 128",
    "",
    "brio_any_syscall:",
    ".macro to_kernel_with_all",
    "str x9, [sp, #{error}]",
    "save_rest",
    // (cpu, label, destination, tag, timeouts)
    "mov x4, x3",
    "mov x3, x0",
    "to_kernel_stack",
    ".endm",
    "to_kernel_with_all",
    "bl brio_short_syscall",
    // How far it led is in w0. If it is back to the thread, the registers
    // that a C function preserves are in their places.
    "13: mrs x9, tpidr_el2",
    "cmp w0, #{done}",
    "b.ne 4f",
    "ldr x1, [x9, #{frame}]",
    "mov sp, x1",
    "ldr x30, [sp, #{x} + 240]",
    "ldr x18, [sp, #{x} + 144]",
    "load_first",
    "eret",
    "dsb nsh",
    "isb",
    "4: mov w1, w0",
    "mov x0, x9",
    "5: cbz w1, 6f",
    "bl brio_finish",
    "b brio_leave",
    "6: bl brio_syscall",
    "b brio_leave",
    "",
    // What is asked of tasks leads back to the thread, so the registers that a
    // C function preserves are not saved.
    "brio_task_entry:",
    "str x18, [sp, #{x} + 144]",
    // (cpu, label, destination, tag)
    "mov x3, x0",
    "to_kernel_stack",
    "bl brio_task_syscall",
    "8: mrs x9, tpidr_el2",
    "tbnz w0, #{no_tag}, 7f",
    "ldr x10, [x9, #{frame}]",
    "mov sp, x10",
    "ldr x18, [sp, #{x} + 144]",
    "ldr x30, [sp, #{x} + 240]",
    "load_behind_first",
    "ldr x1, [sp, #{x} + 8]",
    "eret",
    "dsb nsh",
    "isb",
    "7: ldr x10, [x9, #{registers}]",
    "cbnz x10, 9f",
    "ldr x10, [x9, #{frame}]",
    "9: mov sp, x10",
    "ldr x18, [sp, #{x} + 144]",
    "mrs x9, esr_el2",
    "str x9, [sp, #{error}]",
    "save_rest",
    "and w1, w0, #0xff",
    "to_kernel_stack",
    "b 5b",
    "",
    // A vCPU that goes to its user mode needs no registers any more.
    "brio_resume_entry:",
    "ldr x11, ={resume_tag}",
    "cmp x0, x11",
    "b.eq 11f",
    // (cpu, label, destination)
    ".macro try tag, function",
    "ldr x11, =\\tag",
    "cmp x0, x11",
    "b.ne 1f",
    "str x18, [sp, #{x} + 144]",
    "to_kernel_stack",
    "bl \\function",
    "b 8b",
    "1:",
    ".endm",
    "10:",
    "try {create}, brio_create_thread",
    "try {bind}, brio_bind_thread",
    "try {ex_regs}, brio_ex_regs",
    "ldr x11, ={run}",
    "cmp x0, x11",
    "b.ne brio_any_syscall",
    "to_kernel_with_all",
    "bl brio_run_thread",
    "cbnz w0, brio_leave",
    "mrs x0, tpidr_el2",
    "ldr x10, [x0, #{registers}]",
    "cbnz x10, 14f",
    "ldr x10, [x0, #{frame}]",
    "14: ldp x3, x1, [x10, #{x}]",
    "ldp x2, x4, [x10, #{x} + 16]",
    "bl brio_short_syscall",
    "b 13b",
    "11: cmn x2, #{resume_destination}",
    "b.ne 10b",
    "str x18, [sp, #{x} + 144]",
    "to_kernel_stack",
    "bl brio_resume",
    "b 8b",
    "",
    "brio_sync_fault:",
    // A guest's hypercall is none.
    "cmp w10, #{hvc}",
    "b.eq brio_any_syscall",
    "save_rest",
    "mrs x1, esr_el2",
    // With ESR in x1.
    "brio_fault_entry:",
    "str x1, [sp, #{error}]",
    "to_kernel_stack",
    "bl {fault}",
    ".global brio_leave",
    "brio_leave:",
    "mrs x0, tpidr_el2",
    "ldr x1, [x0, #{frame}]",
    "cbz x1, 2f",
    ".global brio_leave_for",
    "brio_leave_for:",
    "load_control",
    "return_to_user",
    // All registers but x0 are zero, as this table's entries are.
    ".global brio_leave_entry",
    "brio_leave_entry:",
    "load_control",
    "ldr x0, [sp, #{x}]",
    "adrp x30, {zeros}",
    "ldp x1, x2, [x30]",
    "ldp x3, x4, [x30]",
    "ldp x5, x6, [x30]",
    "ldp x7, x8, [x30]",
    "ldp x9, x10, [x30]",
    "ldp x11, x12, [x30]",
    "ldp x13, x14, [x30]",
    "ldp x15, x16, [x30]",
    "ldp x17, x18, [x30]",
    "ldp x19, x20, [x30]",
    "ldp x21, x22, [x30]",
    "ldp x23, x24, [x30]",
    "ldp x25, x26, [x30]",
    "ldp x27, x28, [x30]",
    "mov x29, xzr",
    "mov x30, xzr",
    "eret",
    "dsb nsh",
    "isb",
    // The registers in x0, but for what `eret` loads. They are saved there too.
    ".global brio_leave_registers",
    "brio_leave_registers:",
    "load_control",
    "mov sp, x0",
    "return_to_user",
    // Idle. A wake-up for no reason finds no interrupt and comes back here.
    "2: ldr x1, [x0, #{stack_top}]",
    "mov sp, x1",
    "ldrb w1, [x0, #{is_paused}]",
    "cbnz w1, 3f",
    "dsb sy",
    "wfi",
    "3: bl {interrupt}",
    "b brio_leave",
    ".popsection",
    x = const offset_of!(Frame, x),
    error = const offset_of!(Frame, error),
    sp = const offset_of!(Frame, sp),
    pstate = const offset_of!(Frame, pstate),
    frame = const BLOCK_FRAME,
    registers = const BLOCK_REGISTERS,
    stack_top = const BLOCK_STACK_TOP,
    is_paused = const offset_of!(CpuBlock, is_paused),
    zeros = sym super::paging::EMPTY_ROOT,
    done = const ShortWay::ToTheEnd as u8,
    resume_tag = const RESUME[0] as i64,
    resume_destination = const (RESUME[1] as i64).unsigned_abs(),
    task = const -l4_abi::protocol::label::TASK,
    run = const RUN.raw() as i64,
    create = const CREATE.raw() as i64,
    bind = const BIND.raw() as i64,
    ex_regs = const EX_REGS.raw() as i64,
    no_tag = const TaskAnswer::NO_TAG.trailing_zeros(),
    svc = const l4_abi::arch::aarch64::exception::class::SVC64,
    hvc = const l4_abi::arch::aarch64::exception::class::HVC64,
    interrupt = sym super::trap::interrupt,
    fault = sym super::trap::fault,
    kernel_exception = sym super::trap::kernel_exception,
    emergency_stack_in_use = sym super::start::EMERGENCY_STACK_IN_USE,
    emergency_stack = sym super::start::EMERGENCY_STACK,
    emergency_stack_size = const super::start::EMERGENCY_STACK_SIZE,
);
