//! A resume that returns when something enters.

use core::arch::naked_asm;
use core::mem::offset_of;

use l4_abi::vcpu::VcpuState;

/// What [`run`] returns after an entry; no tag has this value.
pub(crate) const ENTERED: u64 = u64::MAX;

/// Makes the resume system call with the calling code as the entry: returns [`ENTERED`] when
/// something has entered, or the tag if the call fails.
///
/// # Safety
/// `state` is the calling thread's, and the resume is one to user mode.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn run(state: *mut VcpuState, tag: u64, destination: u64) -> u64 {
    naked_asm!(
        "push rbx",
        "push rbp",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "mov [rdi + {entry_stack}], rsp",
        "lea rax, [rip + 2f]",
        "mov [rdi + {entry_instruction}], rax",
        "mov rax, rsi",
        "xor esi, esi",
        "xor r8d, r8d",
        "syscall",
        "jmp 3f",
        "2:",
        "mov rax, {entered}",
        "3:",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbp",
        "pop rbx",
        "ret",
        entry_stack = const offset_of!(VcpuState, entry_stack),
        entry_instruction = const offset_of!(VcpuState, entry_instruction),
        entered = const ENTERED as i64,
    )
}
