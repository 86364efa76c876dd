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
/// `state` is the calling thread's, and the resume is one to user mode. The program runs at EL0.
#[inline(always)]
pub(crate) unsafe fn run(state: *mut VcpuState, tag: u64, destination: u64) -> u64 {
    let answer;
    // SAFETY: promised by the caller. An entry goes on here with this stack, and has no other
    // register; the two that cannot be named as lost are on the stack.
    unsafe {
        asm!(
            "stp x19, x29, [sp, #-16]!",
            "mov x5, sp",
            "str x5, [x4, #{entry_stack}]",
            "adr x5, 2f",
            "str x5, [x4, #{entry_instruction}]",
            "svc #0",
            "b 3f",
            "2:",
            "mov x0, #-1",
            "3:",
            "ldp x19, x29, [sp], #16",
            entry_stack = const offset_of!(VcpuState, entry_stack),
            entry_instruction = const offset_of!(VcpuState, entry_instruction),
            inlateout("x0") tag => answer,
            inlateout("x1") 0_u64 => _,
            inlateout("x2") destination => _,
            inlateout("x3") 0_u64 => _,
            inlateout("x4") state => _,
            out("x5") _,
            lateout("x20") _,
            lateout("x21") _,
            lateout("x22") _,
            lateout("x23") _,
            lateout("x24") _,
            lateout("x25") _,
            lateout("x26") _,
            lateout("x27") _,
            lateout("x28") _,
            clobber_abi("C"),
        );
    }
    answer
}
