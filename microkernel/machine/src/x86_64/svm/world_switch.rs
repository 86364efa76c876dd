//! From the kernel to the guest and back (AMD APM volume 2, 15.5).

use core::arch::naked_asm;

use super::super::cpu::selector;
use crate::vcpu::TrapRegisters;

/// Offset of a register in [`TrapRegisters`], in bytes.
macro_rules! at {
    ($index:literal) => {
        $index * 8
    };
}

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
pub(super) unsafe extern "C" fn enter(guest: u64, host: u64, registers: &TrapRegisters) {
    naked_asm!(
        "push rbx",
        "push rbp",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "push rdx",
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
        "mov rax, rdi",
        "vmload rax",
        "mov r15, [rdx + {r15}]",
        "mov r14, [rdx + {r14}]",
        "mov r13, [rdx + {r13}]",
        "mov r12, [rdx + {r12}]",
        "mov r11, [rdx + {r11}]",
        "mov r10, [rdx + {r10}]",
        "mov r9, [rdx + {r9}]",
        "mov r8, [rdx + {r8}]",
        "mov rdi, [rdx + {rdi}]",
        "mov rsi, [rdx + {rsi}]",
        "mov rbp, [rdx + {rbp}]",
        "mov rbx, [rdx + {rbx}]",
        "mov rcx, [rdx + {rcx}]",
        "mov rdx, [rdx + {rdx}]",
        "vmrun rax",
        "cli",
        "vmsave rax",
        "mov rax, [rsp + 24]",
        "mov [rax + {r15}], r15",
        "mov [rax + {r14}], r14",
        "mov [rax + {r13}], r13",
        "mov [rax + {r12}], r12",
        "mov [rax + {r11}], r11",
        "mov [rax + {r10}], r10",
        "mov [rax + {r9}], r9",
        "mov [rax + {r8}], r8",
        "mov [rax + {rdi}], rdi",
        "mov [rax + {rsi}], rsi",
        "mov [rax + {rbp}], rbp",
        "mov [rax + {rbx}], rbx",
        "mov [rax + {rcx}], rcx",
        "mov [rax + {rdx}], rdx",
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
        r15 = const at!(0),
        r14 = const at!(1),
        r13 = const at!(2),
        r12 = const at!(3),
        r11 = const at!(4),
        r10 = const at!(5),
        r9 = const at!(6),
        r8 = const at!(7),
        rdi = const at!(8),
        rsi = const at!(9),
        rbp = const at!(10),
        rbx = const at!(12),
        rdx = const at!(13),
        rcx = const at!(14),
    );
}
