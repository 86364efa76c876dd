//! The way into the kernel by `syscall`, and all ways out of it.
//!
//! Interrupts are off here. While `rsp` is not the kernel's only NMI, #DB,
//! #MC and #DF can arrive; these have stacks of their own.

use core::arch::{asm, naked_asm};
use core::mem::offset_of;

use l4_abi::arch::x86_64::exception::rflags;
use l4_abi::protocol::label;

use super::context::{Frame, SYSCALL_MARKER, USER_FLAGS};
use super::cpu::selector;
use super::isolation::detour;
use crate::per_cpu::{BIND, CREATE, CpuBlock, EX_REGS, RESUME, RUN, ShortWay};

unsafe extern "C" {
    /// Leaves the kernel: to the frame that the [`CpuBlock`] names, or to
    /// idle. GS is the kernel's.
    #[link_name = "brio_leave"]
    pub(super) fn leave() -> !;
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
            ShortWay::ToTheEnd | ShortWay::ToASyscall => {
                asm!("jmp brio_leave_syscall", options(noreturn))
            }
            ShortWay::ToTheFrame => asm!("jmp brio_leave", options(noreturn)),
            ShortWay::ToAnEntry => asm!("jmp brio_leave_entry", options(noreturn)),
            ShortWay::ToARegisterSet => {
                asm!("jmp brio_leave_registers", in("rdi") cpu.registers(), options(noreturn))
            }
            ShortWay::Nowhere | ShortWay::ToTheExit => {}
        }
    }
}

/// Assembler that knows where these fields of a structure are.
macro_rules! with_offsets {
    ($asm:ident, $type:ident, [$($field:ident)*], $($code:tt)*) => {
        $asm!($($code)* $($field = const offset_of!($type, $field),)*);
    };
}
pub(super) use with_offsets;

/// CS of a frame that is in a system call (abi/01).
const MARKED: u64 = selector::USER_CODE as u64 | SYSCALL_MARKER;

/// Offsets in [`CpuBlock`] from GS base.
pub(super) mod block {
    pub(crate) const THIS: usize = 0;
    pub(crate) const FRAME: usize = 8;
    pub(crate) const STACK_TOP: usize = 16;
    pub(crate) const SCRATCH: usize = 24;
    pub(crate) const REGISTERS: usize = 56;
}

/// Where the hardware goes on `syscall`: `rcx` is the user's `rip`, `r11` its
/// flags; all other registers are the user's. Of these two the frame keeps
/// what it had, for the way back does not look at them.
///
/// The short way through the kernel goes straight to user mode
/// ([`leave_by`]). What is asked of tasks leads back to the thread, so for that
/// those registers are not even saved that a C function preserves; nor for what
/// makes a thread.
///
/// Then, at `brio_leave`, the ways out. `sysret` if the frame is marked to be
/// in a system call. With an address outside the user range Intel's `sysret`
/// faults in kernel mode on the user's stack, so such an address takes
/// `iretq`, whose faults become the user's (`trap`).
#[unsafe(naked)]
#[unsafe(link_section = ".entry")]
pub(super) unsafe extern "C" fn entry() {
    with_offsets!(
        naked_asm, Frame, [rcx r11 rip rsp rflags cs ss rax rdx rsi rdi r8 r9 r10 rbx rbp r12 r13 r14 r15],
        "swapgs",
        "mov gs:[{scratch}], rsp",
        "mov rsp, gs:[{registers}]",
        "mov [rsp + {rip}], rcx",
        "mov [rsp + {rflags}], r11",
        "mov [rsp + {rax}], rax",
        "mov [rsp + {rdx}], rdx",
        "mov [rsp + {rsi}], rsi",
        "mov [rsp + {rdi}], rdi",
        "mov [rsp + {r8}], r8",
        "mov [rsp + {r9}], r9",
        "mov [rsp + {r10}], r10",
        // The label is above the tag's first 16 bits.
        "cmp dword ptr [rsp + {rax} + 2], {task_label}",
        "jle 9f",
        "20:",
        ".macro brio_save_rest",
        "mov r11, gs:[{scratch}]",
        "mov [rsp + {rsp}], r11",
        "mov qword ptr [rsp + {cs}], {marked}",
        "mov qword ptr [rsp + {ss}], {user_data}",
        "mov [rsp + {rbx}], rbx",
        "mov [rsp + {rbp}], rbp",
        "mov [rsp + {r12}], r12",
        "mov [rsp + {r13}], r13",
        "mov [rsp + {r14}], r14",
        "mov [rsp + {r15}], r15",
        "mov rsp, gs:[{stack_top}]",
        ".endm",
        "brio_save_rest",
        // (cpu, label, destination, tag, timeouts)
        "28:",
        "mov rdi, gs:[{this}]",
        "mov rcx, rax",
        "call brio_short_syscall",
        "6:",
        "mov rdi, gs:[{this}]",
        "test al, al",
        "jz 8f",
        "call brio_finish",
        "jmp brio_leave",
        "8:",
        "call brio_syscall",
        "jmp brio_leave",
        "",
        "9:",
        "jl 23f",
        // (cpu, label, destination, tag)
        "mov rdi, gs:[{this}]",
        "mov rcx, rax",
        "mov rsp, gs:[{stack_top}]",
        "call brio_task_syscall",
        "24:",
        "mov rsp, gs:[{frame}]",
        "test ax, ax",
        "js 21f",
        "cmp dword ptr [rsp + {rip} + 4], 0x7fff",
        "ja 22f",
        "mov rcx, [rsp + {rip}]",
        "mov r11, [rsp + {rflags}]",
        ".macro brio_load_first base",
        "mov rdx, [\\base + {rdx}]",
        "mov rsi, [\\base + {rsi}]",
        "mov r8, [\\base + {r8}]",
        "mov r9, [\\base + {r9}]",
        "mov r10, [\\base + {r10}]",
        ".endm",
        "brio_load_first rsp",
        "mov rdi, [rsp + {rdi}]",
        "mov rsp, gs:[{scratch}]",
        detour!("brio_isolated_sysret"),
        "swapgs",
        "sysretq",
        "21:",
        "mov rsp, gs:[{registers}]",
        "brio_save_rest",
        "jmp 6b",
        // A vCPU that goes to its user mode needs no registers any more.
        "23:",
        "cmp rax, {resume_tag}",
        "je 26f",
        // (cpu, label, destination)
        ".macro brio_try tag, function",
        "cmp rax, \\tag",
        "jne 1f",
        "mov rdi, gs:[{this}]",
        "mov rsp, gs:[{stack_top}]",
        "call \\function",
        "jmp 24b",
        "1:",
        ".endm",
        "25:",
        "brio_try {create}, brio_create_thread",
        "brio_try {bind}, brio_bind_thread",
        "brio_try {ex_regs}, brio_ex_regs",
        "cmp rax, {run}",
        "jne 20b",
        "brio_save_rest",
        "mov rdi, gs:[{this}]",
        "call brio_run_thread",
        "test al, al",
        "jnz brio_leave",
        "mov rax, gs:[{registers}]",
        "brio_load_first rax",
        "mov rax, [rax + {rax}]",
        "jmp 28b",
        "26:",
        "cmp rdx, {resume_destination}",
        "jne 25b",
        "mov rdi, gs:[{this}]",
        "mov rsp, gs:[{stack_top}]",
        "call brio_resume",
        "jmp 24b",
        "22:",
        "mov [rsp + {rax}], rax",
        "brio_save_rest",
        "",
        ".global brio_leave",
        "brio_leave:",
        "mov rsp, gs:[{frame}]",
        "test rsp, rsp",
        "jz 4f",
        "cmp byte ptr [rsp + {cs}], {marked_byte}",
        "jne 3f",
        ".global brio_leave_syscall",
        "brio_leave_syscall:",
        "mov rsp, gs:[{frame}]",
        "cmp dword ptr [rsp + {rip} + 4], 0x7fff",
        "ja 2f",
        "mov rcx, [rsp + {rip}]",
        "mov r11, [rsp + {rflags}]",
        "mov rax, [rsp + {rax}]",
        "brio_load_first rsp",
        "mov rdi, [rsp + {rdi}]",
        ".macro brio_load_preserved base",
        "mov rbx, [\\base + {rbx}]",
        "mov rbp, [\\base + {rbp}]",
        "mov r12, [\\base + {r12}]",
        "mov r13, [\\base + {r13}]",
        "mov r14, [\\base + {r14}]",
        "mov r15, [\\base + {r15}]",
        ".endm",
        "brio_load_preserved rsp",
        "mov rsp, [rsp + {rsp}]",
        detour!("brio_isolated_sysret"),
        "swapgs",
        "sysretq",
        "",
        // Not by `sysret`: the mark is none of the selector's bits.
        "2:",
        "and byte ptr [rsp + {cs}], 0x7f",
        "3:",
        "add rsp, {r15}",
        ".irp register, r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp",
        "pop \\register",
        ".endr",
        "add rsp, 8",
        "pop rbx",
        "pop rdx",
        "pop rcx",
        "pop rax",
        "add rsp, 16",
        "jmp 7f",
        "",
        // With the registers of user memory in rdi, in which nothing is
        // believed. What `iretq` loads goes to the frame.
        ".global brio_leave_registers",
        "brio_leave_registers:",
        "mov rsp, gs:[{frame}]",
        "add rsp, {frame_size}",
        "push [rdi + {ss}]",
        "push [rdi + {rsp}]",
        "mov eax, [rdi + {rflags}]",
        "and eax, {user_flags}",
        "or eax, {initial_flags}",
        "push rax",
        "push {user_code}",
        "push [rdi + {rip}]",
        "mov rax, [rdi + {rax}]",
        "mov rcx, [rdi + {rcx}]",
        "mov r11, [rdi + {r11}]",
        "brio_load_first rdi",
        "brio_load_preserved rdi",
        "mov rdi, [rdi + {rdi}]",
        "7:",
        detour!("brio_isolated_iret"),
        "swapgs",
        ".global brio_iretq",
        "brio_iretq:",
        "iretq",
        "",
        // All registers but these are zero.
        ".global brio_leave_entry",
        "brio_leave_entry:",
        "mov rsp, gs:[{frame}]",
        "mov rcx, [rsp + {rip}]",
        "mov rdi, [rsp + {rdi}]",
        "mov rsp, [rsp + {rsp}]",
        "mov r11d, {initial_flags}",
        ".irp register, eax, edx, esi, r8d, r9d, r10d, ebx, ebp, r12d, r13d, r14d, r15d",
        "xor \\register, \\register",
        ".endr",
        detour!("brio_isolated_sysret"),
        "swapgs",
        "sysretq",
        "",
        // Idle: the interrupt that ends it begins afresh on this stack.
        "4:",
        "mov rsp, gs:[{stack_top}]",
        "5:",
        "sti",
        "hlt",
        "jmp 5b",
        this = const block::THIS,
        frame = const block::FRAME,
        registers = const block::REGISTERS,
        stack_top = const block::STACK_TOP,
        scratch = const block::SCRATCH,
        initial_flags = const rflags::INITIAL,
        marked = const MARKED,
        marked_byte = const MARKED as u8 as i8,
        user_data = const selector::USER_DATA,
        user_code = const selector::USER_CODE,
        user_flags = const USER_FLAGS,
        frame_size = const size_of::<Frame>(),
        run = const RUN.raw() as i64,
        task_label = const label::TASK as i32,
        create = const CREATE.raw() as i64,
        bind = const BIND.raw() as i64,
        ex_regs = const EX_REGS.raw() as i64,
        resume_tag = const RESUME[0] as i64,
        resume_destination = const RESUME[1] as i64,
    );
}
