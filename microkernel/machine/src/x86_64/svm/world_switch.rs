//! From the kernel to the guest and back (AMD APM volume 2, 15.5).

use core::arch::naked_asm;

use super::super::cpu::selector;
use super::super::vm::general_registers;
use crate::vcpu::TrapRegisters;

/// Runs the guest whose VMCB is at the physical address `guest`, until it
/// exits. Of its registers those that a VMCB does not have are in
/// `registers`. `host` is a VMCB for the kernel's own.
///
/// The CPU takes interrupts in the guest only, where each is an exit, and
/// nothing at all between CLGI and STGI. STI is not next to VMRUN: in QEMU
/// (7.2) its shadow would keep off interrupts until the guest's second
/// instruction. VMRUN keeps less of the host than a guest can change: VMSAVE
/// and VMLOAD keep the rest, among it GS base. It takes data segments out of
/// the descriptor table again, so those that user mode has chosen are put aside.
///
/// # Safety
/// SVM is on. The VMCB of the guest leaves nothing to it that is the kernel's.
#[unsafe(naked)]
pub(super) unsafe extern "C" fn enter(registers: &TrapRegisters, host: u64, guest: u64) {
    naked_asm!(
        "push rbx",
        "push rbp",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "push rdi",
        "push rsi",
        "mov eax, ds",
        "push rax",
        "mov eax, es",
        "push rax",
        "mov eax, {kernel_data}",
        "mov ss, eax",
        "xor eax, eax",
        "mov ds, eax",
        "mov es, eax",
        "clgi",
        "sti",
        "mov rax, rsi",
        "vmsave rax",
        "mov rax, rdx",
        "vmload rax",
        general_registers!(load),
        "vmrun rax",
        "cli",
        "vmsave rax",
        "mov rax, [rsp + 24]",
        general_registers!(store),
        "mov rax, [rsp + 16]",
        "vmload rax",
        "stgi",
        "pop rax",
        "mov es, eax",
        "pop rax",
        "mov ds, eax",
        "add rsp, 16",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbp",
        "pop rbx",
        "ret",
        kernel_data = const selector::KERNEL_DATA,
    );
}
