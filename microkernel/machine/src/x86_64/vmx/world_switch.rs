//! From the kernel to the guest and back (SDM volume 3, 27 and 28).

use core::arch::naked_asm;

use super::super::vm::general_registers;
use super::vmcs::own::{HOST_RIP, HOST_RSP};
use crate::vcpu::TrapRegisters;

const RAX: usize = 15 * 8;

/// Runs the guest of the VMCS that is loaded, until it exits. Of its registers
/// those that a VMCS does not have are in `registers`. False if it did not run.
///
/// # Safety
/// The VMCS leaves nothing to the guest that is the kernel's, and has the
/// kernel's state but where it goes on.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn enter(registers: &TrapRegisters, is_launched: bool) -> bool {
    naked_asm!(
        "push rbx",
        "push rbp",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "push rdi",
        "mov eax, {host_rsp}",
        "vmwrite rax, rsp",
        "mov eax, {host_rip}",
        "lea rdx, [rip + 4f]",
        "vmwrite rax, rdx",
        // None of the loads changes the flags.
        "test sil, sil",
        "mov rax, [rdi + {rax}]",
        general_registers!(load),
        "jz 2f",
        "vmresume",
        "jmp 3f",
        "2:",
        "vmlaunch",
        "3:",
        "pop rdi",
        "xor eax, eax",
        "jmp 5f",
        // The exit, with the guest's registers.
        "4:",
        "xchg rax, [rsp]",
        general_registers!(store),
        "pop [rax + {rax}]",
        "mov eax, 1",
        "5:",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbp",
        "pop rbx",
        "ret",
        host_rsp = const HOST_RSP,
        host_rip = const HOST_RIP,
        rax = const RAX,
    );
}
