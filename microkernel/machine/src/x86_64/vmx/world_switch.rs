//! From the kernel to the guest and back (SDM volume 3, 27 and 28).

use core::arch::naked_asm;

use super::vmcs::own::{HOST_RIP, HOST_RSP};
use crate::vcpu::TrapRegisters;

/// All registers but rdi and rax that a VMCS does not have, with their
/// places in [`TrapRegisters`].
macro_rules! each {
    ($do:ident) => {
        $do!("r15" 0 "r14" 1 "r13" 2 "r12" 3 "r11" 4 "r10" 5 "r9" 6 "r8" 7 "rsi" 9 "rbp" 10
            "rbx" 12 "rdx" 13 "rcx" 14)
    };
}
macro_rules! load {
    ($($register:literal $place:literal)*) => {
        concat!($("mov ", $register, ", [rdi + 8 * ", $place, "]\n"),*)
    };
}
macro_rules! store {
    ($($register:literal $place:literal)*) => {
        concat!($("mov [rax + 8 * ", $place, "], ", $register, "\n"),*)
    };
}
const RDI: usize = 8 * 8;
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
        each!(load),
        "mov rax, [rdi + {rax}]",
        "mov rdi, [rdi + {rdi}]",
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
        each!(store),
        "mov [rax + {rdi}], rdi",
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
        rdi = const RDI,
        rax = const RAX,
    );
}
