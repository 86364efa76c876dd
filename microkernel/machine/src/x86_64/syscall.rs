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
use crate::per_cpu::{CpuBlock, RESUME, ShortWay, TaskAnswer};

unsafe extern "C" {
    /// The kernel's part, see [`upcalls!`](crate::upcalls).
    fn brio_syscall(cpu: *mut CpuBlock);
    fn brio_short_syscall(
        cpu: *const CpuBlock,
        label: u64,
        destination: u64,
        tag: u64,
        timeouts: u64,
    ) -> ShortWay;
    fn brio_task_syscall(
        cpu: *const CpuBlock,
        label: u64,
        destination: u64,
        tag: u64,
    ) -> TaskAnswer;
    fn brio_resume(cpu: *const CpuBlock) -> TaskAnswer;
    fn brio_finish(cpu: *mut CpuBlock);

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
/// those registers are not even saved that a C function preserves.
///
/// Then, at `brio_leave`, the ways out. `sysret` if the frame is marked to be
/// in a system call. With an address outside the user range Intel's `sysret`
/// faults in kernel mode on the user's stack, so such an address takes
/// `iretq`, whose faults become the user's (`trap`).
#[unsafe(naked)]
#[unsafe(link_section = ".entry")]
pub(super) unsafe extern "C" fn entry() {
    naked_asm!(
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
        "mov [rsp + {user_rsp}], r11",
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
        "mov rdi, gs:[{this}]",
        "mov rcx, rax",
        "call {short}",
        "6:",
        "mov rdi, gs:[{this}]",
        "test al, al",
        "jz 8f",
        "call {finish}",
        "jmp brio_leave",
        "8:",
        "call {upcall}",
        "jmp brio_leave",
        "",
        "9:",
        "jl 23f",
        // (cpu, label, destination, tag)
        "mov rdi, gs:[{this}]",
        "mov rcx, rax",
        "mov rsp, gs:[{stack_top}]",
        "call {task}",
        "24:",
        "mov rsp, gs:[{frame}]",
        "test ax, ax",
        "js 21f",
        "cmp dword ptr [rsp + {rip} + 4], 0x7fff",
        "ja 22f",
        "mov rcx, [rsp + {rip}]",
        "mov r11, [rsp + {rflags}]",
        "mov rdx, [rsp + {rdx}]",
        "mov rsi, [rsp + {rsi}]",
        "mov rdi, [rsp + {rdi}]",
        "mov r8, [rsp + {r8}]",
        "mov r9, [rsp + {r9}]",
        "mov r10, [rsp + {r10}]",
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
        "jne 20b",
        "cmp rdx, {resume_destination}",
        "jne 20b",
        "mov rdi, gs:[{this}]",
        "mov rsp, gs:[{stack_top}]",
        "call {resume}",
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
        "mov rdx, [rsp + {rdx}]",
        "mov rsi, [rsp + {rsi}]",
        "mov rdi, [rsp + {rdi}]",
        "mov r8, [rsp + {r8}]",
        "mov r9, [rsp + {r9}]",
        "mov r10, [rsp + {r10}]",
        "mov rbx, [rsp + {rbx}]",
        "mov rbp, [rsp + {rbp}]",
        "mov r12, [rsp + {r12}]",
        "mov r13, [rsp + {r13}]",
        "mov r14, [rsp + {r14}]",
        "mov r15, [rsp + {r15}]",
        "mov rsp, [rsp + {user_rsp}]",
        detour!("brio_isolated_sysret"),
        "swapgs",
        "sysretq",
        "",
        // Not by `sysret`: the mark is none of the selector's bits.
        "2:",
        "and byte ptr [rsp + {cs}], 0x7f",
        "3:",
        "add rsp, {r15}",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop r11",
        "pop r10",
        "pop r9",
        "pop r8",
        "pop rdi",
        "pop rsi",
        "pop rbp",
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
        "push [rdi + {user_rsp}]",
        "mov eax, [rdi + {rflags}]",
        "and eax, {user_flags}",
        "or eax, {initial_flags}",
        "push rax",
        "push {user_code}",
        "push [rdi + {rip}]",
        "mov rax, [rdi + {rax}]",
        "mov rdx, [rdi + {rdx}]",
        "mov rcx, [rdi + {rcx}]",
        "mov rsi, [rdi + {rsi}]",
        "mov r8, [rdi + {r8}]",
        "mov r9, [rdi + {r9}]",
        "mov r10, [rdi + {r10}]",
        "mov r11, [rdi + {r11}]",
        "mov rbx, [rdi + {rbx}]",
        "mov rbp, [rdi + {rbp}]",
        "mov r12, [rdi + {r12}]",
        "mov r13, [rdi + {r13}]",
        "mov r14, [rdi + {r14}]",
        "mov r15, [rdi + {r15}]",
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
        "mov rsp, [rsp + {user_rsp}]",
        "mov r11d, {initial_flags}",
        "xor eax, eax",
        "xor edx, edx",
        "xor esi, esi",
        "xor r8d, r8d",
        "xor r9d, r9d",
        "xor r10d, r10d",
        "xor ebx, ebx",
        "xor ebp, ebp",
        "xor r12d, r12d",
        "xor r13d, r13d",
        "xor r14d, r14d",
        "xor r15d, r15d",
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
        rcx = const offset_of!(Frame, rcx),
        r11 = const offset_of!(Frame, r11),
        marked = const MARKED,
        marked_byte = const MARKED as u8 as i8,
        user_data = const selector::USER_DATA,
        user_code = const selector::USER_CODE,
        user_flags = const USER_FLAGS,
        frame_size = const size_of::<Frame>(),
        rip = const offset_of!(Frame, rip),
        user_rsp = const offset_of!(Frame, rsp),
        rflags = const offset_of!(Frame, rflags),
        cs = const offset_of!(Frame, cs),
        ss = const offset_of!(Frame, ss),
        rax = const offset_of!(Frame, rax),
        rdx = const offset_of!(Frame, rdx),
        rsi = const offset_of!(Frame, rsi),
        rdi = const offset_of!(Frame, rdi),
        r8 = const offset_of!(Frame, r8),
        r9 = const offset_of!(Frame, r9),
        r10 = const offset_of!(Frame, r10),
        rbx = const offset_of!(Frame, rbx),
        rbp = const offset_of!(Frame, rbp),
        r12 = const offset_of!(Frame, r12),
        r13 = const offset_of!(Frame, r13),
        r14 = const offset_of!(Frame, r14),
        r15 = const offset_of!(Frame, r15),
        upcall = sym brio_syscall,
        short = sym brio_short_syscall,
        task = sym brio_task_syscall,
        task_label = const label::TASK as i32,
        resume = sym brio_resume,
        resume_tag = const RESUME[0] as i64,
        resume_destination = const RESUME[1] as i64,
        finish = sym brio_finish,
    );
}
