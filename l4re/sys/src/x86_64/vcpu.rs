//! A resume that returns when something enters.

use core::arch::asm;
use core::mem::offset_of;

use l4_abi::vcpu::VcpuState;

/// What [`run`] returns after an entry; no tag has this value.
pub(crate) const ENTERED: u64 = u64::MAX;

/// Makes the resume system call with the calling code as the entry: returns [`ENTERED`] when
/// something has entered, or the tag if the call fails.
///
/// # Safety
/// `state` is the calling thread's, and the resume is one to user mode.
#[inline(always)]
pub(crate) unsafe fn run(state: *mut VcpuState, tag: u64, destination: u64) -> u64 {
    let answer;
    // SAFETY: promised by the caller. An entry goes on here with this stack, and has no other
    // register; the two that cannot be named as lost are on the stack.
    unsafe {
        asm!(
            "push rbx",
            "push rbp",
            "mov [rdi + {entry_stack}], rsp",
            "lea rbx, [rip + 2f]",
            "mov [rdi + {entry_instruction}], rbx",
            "syscall",
            "jmp 3f",
            "2:",
            "mov rax, {entered}",
            "3:",
            "pop rbp",
            "pop rbx",
            entry_stack = const offset_of!(VcpuState, entry_stack),
            entry_instruction = const offset_of!(VcpuState, entry_instruction),
            entered = const ENTERED as i64,
            inlateout("rax") tag => answer,
            inlateout("rdi") state => _,
            inlateout("rsi") 0_u64 => _,
            inlateout("rdx") destination => _,
            inlateout("r8") 0_u64 => _,
            lateout("r12") _,
            lateout("r13") _,
            lateout("r14") _,
            lateout("r15") _,
            clobber_abi("C"),
        );
    }
    answer
}
