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
/// `state` is the calling thread's, and the resume is one to user mode. The program runs at EL0.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn run(state: *mut VcpuState, tag: u64, destination: u64) -> u64 {
    naked_asm!(
        "stp x19, x20, [sp, #-96]!",
        "stp x21, x22, [sp, #16]",
        "stp x23, x24, [sp, #32]",
        "stp x25, x26, [sp, #48]",
        "stp x27, x28, [sp, #64]",
        "stp x29, x30, [sp, #80]",
        "mov x4, sp",
        "str x4, [x0, #{entry_stack}]",
        "adr x4, 2f",
        "str x4, [x0, #{entry_instruction}]",
        "mov x0, x1",
        "mov x1, #0",
        "mov x3, #0",
        "svc #0",
        "b 3f",
        "2:",
        "mov x0, #-1",
        "3:",
        "ldp x21, x22, [sp, #16]",
        "ldp x23, x24, [sp, #32]",
        "ldp x25, x26, [sp, #48]",
        "ldp x27, x28, [sp, #64]",
        "ldp x29, x30, [sp, #80]",
        "ldp x19, x20, [sp], #96",
        "ret",
        entry_stack = const offset_of!(VcpuState, entry_stack),
        entry_instruction = const offset_of!(VcpuState, entry_instruction),
    )
}
