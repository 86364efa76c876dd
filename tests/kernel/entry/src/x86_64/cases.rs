//! What the victim does, and the exception that has to come of it (abi/01, abi/02).

use core::arch::global_asm;

use l4_abi::exception::ExceptionFrame;

use super::has_umip;
use crate::{Case, Code};

/// Flags: trap, direction, nested task, alignment check, interrupts.
const TF: u64 = 1 << 8;
const DF: u64 = 1 << 10;
const NT: u64 = 1 << 14;
const AC: u64 = 1 << 18;
const IF: u64 = 1 << 9;
const IOPL: u64 = 3 << 12;
const VM: u64 = 1 << 17;

/// A kernel address: the start of its image.
const KERNEL: u64 = 0xffff_ffff_8040_0000;
const NON_CANONICAL: u64 = 0x0000_8000_0000_0000;

/// The error flag in a returned tag.
const IPC_ERROR: u64 = 0x8000;

/// Bytes of two pushes and a far jump in 32-bit code.
const FAR_JUMP_LENGTH: u64 = 6;

/// Declares cases: name, code, registers at its start, check of the exception. The code marks the
/// place of the exception with label 2; where CPUs differ, `anywhere` stands before the name.
macro_rules! cases {
    ($($place:ident $name:literal: $code:literal, $prepare:expr, $check:expr;)*) => {
        global_asm!(
            // A system call that returns at once: a wait for oneself that times out.
            ".macro nothing_call",
            "xor eax, eax",
            "mov rdx, 0xfffffffffffff802",
            "mov r8d, 0x04000400",
            "syscall",
            ".endm",
            ".pushsection .rodata.cases, \"a\", @progbits",
            ".balign 8",
            ".global entry_test_cases",
            "entry_test_cases:",
            ".popsection",
            $(concat!(
                ".pushsection .rodata.cases, \"a\", @progbits\n.quad 1f, 2f\n.popsection\n",
                ".pushsection .text.cases, \"ax\", @progbits\n1:\n", $code, "\nud2\n.popsection",
            ),)*
        );

        pub(crate) const CASES: [Case; COUNT] = [$(Case {
            name: $name,
            prepare: $prepare,
            check: $check,
            at_mark: $place(),
        },)*];

        const COUNT: usize = [$($name,)*].len();
    };
}

const fn at_mark() -> bool {
    true
}

const fn anywhere() -> bool {
    false
}

unsafe extern "C" {
    #[link_name = "entry_test_cases"]
    pub(crate) safe static CODE: [Code; COUNT];
}

/// Nothing to prepare.
const fn as_is(_: &mut ExceptionFrame) {}

/// Privileged: general protection without an error code.
fn protection(frame: &ExceptionFrame) -> bool {
    frame.trap == 13 && frame.error == 0
}

/// General protection for an entry of the interrupt table. (The emulator gives a wrong number.)
fn refused_vector(frame: &ExceptionFrame) -> bool {
    frame.trap == 13 && frame.error & 7 == 2
}

fn undefined(frame: &ExceptionFrame) -> bool {
    frame.trap == 6
}

/// Protection by UMIP. Without it the instruction succeeds, and the one behind it is undefined.
fn tells_no_table(frame: &ExceptionFrame) -> bool {
    if has_umip() {
        protection(frame)
    } else {
        undefined(frame)
    }
}

fn undefined_or_protection(frame: &ExceptionFrame) -> bool {
    undefined(frame) || protection(frame)
}

/// A page fault at a kernel address.
fn kernel_fault(frame: &ExceptionFrame) -> bool {
    frame.trap == 14 && frame.fault_address >> 63 == 1
}

cases! {
    at_mark "undefined instruction": "2: ud2", as_is, undefined;

    // System calls.
    at_mark "registers survive a system call": "nothing_call\n2: ud2", |frame| frame.rflags |= IF,
        |frame| undefined(frame)
            && frame.rax & IPC_ERROR != 0
            && (frame.rbx, frame.rbp, frame.rsi, frame.rdi) == (3, 5, 6, 7)
            && (frame.r9, frame.r10, frame.r12) == (9, 10, 12)
            && (frame.r13, frame.r14, frame.r15) == (13, 14, 15)
            && frame.rcx == frame.rip && frame.cs == 0x2b && frame.ss == 0x23;
    at_mark "flags survive a system call":
        "nothing_call\n2: ud2", |frame| frame.rflags |= DF | AC,
        |frame| undefined(frame) && frame.rflags & (DF | AC) == DF | AC;
    anywhere "single step over a system call":
        "pushfq\nor dword ptr [rsp], 0x100\nxor eax, eax\nmov rdx, 0xfffffffffffff802\n\
        mov r8d, 0x04000400\npopfq\nsyscall\n2: nop\nnop", as_is,
        |frame| frame.trap == 1 && frame.rflags & TF != 0;
    at_mark "sysenter": "2: sysenter", as_is, undefined_or_protection;

    // Exceptions.
    at_mark "division by zero": "xor ecx, ecx\n2: div ecx", as_is, |frame| frame.trap == 0;
    at_mark "breakpoint": "int3\n2: nop", as_is, |frame| frame.trap == 3;
    // The emulator passes over it.
    anywhere "int1": "2: .byte 0xf1\nnop", as_is, |frame| frame.trap == 1 || undefined(frame);
    at_mark "single step": "nop\n2: nop", |frame| frame.rflags |= TF, |frame| frame.trap == 1;
    at_mark "int 0": "2: int 0", as_is, refused_vector;
    at_mark "int of an NMI": "2: int 2", as_is, refused_vector;
    at_mark "int of a double fault": "2: int 8", as_is,
        refused_vector;
    at_mark "int of a page fault": "2: int 14", as_is,
        refused_vector;
    at_mark "int of a device": "2: int 0x30", as_is,
        refused_vector;
    at_mark "int 0x80": "2: int 0x80", as_is, refused_vector;
    at_mark "int of the timer": "2: int 0xf0", as_is,
        refused_vector;

    // Privileged instructions.
    at_mark "cli": "2: cli", as_is, protection;
    at_mark "sti": "2: sti", as_is, protection;
    at_mark "hlt": "2: hlt", as_is, protection;
    at_mark "in": "mov dx, 0x3f8\n2: in al, dx", as_is, protection;
    at_mark "out": "mov dx, 0x64\nmov al, 0xfe\n2: out dx, al", as_is, protection;
    at_mark "outs": "mov dx, 0xcf9\n2: outsb", as_is, protection;
    at_mark "rdmsr": "mov ecx, 0xc0000080\n2: rdmsr", as_is, protection;
    at_mark "wrmsr": "mov ecx, 0xc0000082\n2: wrmsr", as_is, protection;
    at_mark "read cr3": "2: mov rax, cr3", as_is, protection;
    at_mark "write cr0": "2: mov cr0, rax", as_is, protection;
    at_mark "write cr4": "2: mov cr4, rax", as_is, protection;
    at_mark "write dr7": "2: mov dr7, rax", as_is, protection;
    at_mark "lgdt": "2: lgdt [rsp - 16]", as_is, protection;
    at_mark "lidt": "2: lidt [rsp - 16]", as_is, protection;
    at_mark "lldt": "2: lldt ax", as_is, protection;
    at_mark "ltr": "2: ltr ax", as_is, protection;
    at_mark "clts": "2: clts", as_is, protection;
    at_mark "invlpg": "2: invlpg [rsp]", as_is, protection;
    at_mark "wbinvd": "2: wbinvd", as_is, protection;
    at_mark "swapgs": "2: swapgs", as_is, protection;
    at_mark "sysret": "2: sysretq", as_is, protection;
    at_mark "vmrun": "2: .byte 0x0f, 0x01, 0xd8", as_is, undefined_or_protection;
    at_mark "clac": "2: clac", as_is, undefined;
    at_mark "stac": "2: stac", as_is, undefined;
    at_mark "wrfsbase": "2: wrfsbase rax", as_is, undefined;
    at_mark "wrgsbase": "2: wrgsbase rax", as_is, undefined;
    at_mark "rdgsbase": "2: rdgsbase rax", as_is, undefined;
    anywhere "sgdt": "2: sgdt [rsp - 16]", as_is, tells_no_table;
    anywhere "sidt": "2: sidt [rsp - 16]", as_is, tells_no_table;
    anywhere "sldt": "2: sldt rax", as_is, tells_no_table;
    anywhere "smsw": "2: smsw rax", as_is, tells_no_table;
    anywhere "str": "2: str rax", as_is, tells_no_table;
    at_mark "far jump into the kernel":
        "push 8\nlea rcx, [rip + 2f]\nsub rsp, 4\nmov [rsp], ecx\n2: jmp fword ptr [rsp]", as_is,
        |frame| frame.trap == 13 && frame.error == 8;
    at_mark "kernel stack segment": "mov eax, 0x10\n2: mov ss, eax", as_is,
        |frame| frame.trap == 13 && frame.error == 0x10;
    at_mark "kernel data segment": "mov eax, 0x10\n2: mov ds, eax", as_is,
        |frame| frame.trap == 13 && frame.error == 0x10;

    // Addresses.
    at_mark "read of the kernel": "mov rax, 0xffffffff80400000\n2: mov rax, [rax]", as_is,
        |frame| kernel_fault(frame) && frame.fault_address == KERNEL;
    at_mark "write to the kernel": "mov rcx, 0xffffffff80400000\n2: mov [rcx], rax", as_is,
        kernel_fault;
    at_mark "read of kernel memory": "mov rax, 0xffffff0000000000\n2: mov rax, [rax]", as_is,
        kernel_fault;
    anywhere "jump into the kernel": "2: nop", |frame| frame.rip = KERNEL,
        |frame| kernel_fault(frame) && frame.rip == KERNEL;
    at_mark "non-canonical read": "mov rax, 0x800000000000\n2: mov rax, [rax]", as_is, protection;
    at_mark "non-canonical stack": "2: push rax", |frame| frame.rsp = NON_CANONICAL + 8,
        |frame| frame.trap == 12 || frame.trap == 13;
    anywhere "non-canonical jump": "mov rax, 0x800000000000\n2: jmp rax", as_is, protection;
    anywhere "non-canonical instruction pointer": "2: nop", |frame| frame.rip = NON_CANONICAL,
        |frame| protection(frame) && frame.rip == NON_CANONICAL;
    anywhere "the last canonical address": "2: nop", |frame| frame.rip = NON_CANONICAL - 1,
        |frame| matches!(frame.trap, 13 | 14) && frame.rip == NON_CANONICAL - 1;

    // Registers that the handler chooses.
    at_mark "all flags": "2: ud2", |frame| frame.rflags = !TF,
        |frame| undefined(frame) && frame.rflags & (IOPL | NT | VM | IF) == IF;
    at_mark "no flags": "2: ud2", |frame| frame.rflags = 0,
        |frame| undefined(frame) && frame.rflags & (IF | 2) == IF | 2;
    at_mark "kernel code segment": "2: ud2", |frame| frame.cs = 8,
        |frame| undefined(frame) && frame.cs == 0x2b;
    at_mark "kernel stack segment by the handler": "2: ud2", |frame| frame.ss = 0x10,
        |frame| frame.trap == 13 && frame.error == 0x10;
    at_mark "no stack segment": "2: ud2", |frame| frame.ss = 0,
        |frame| frame.trap == 13 || undefined(frame);
    at_mark "stack segment beyond the table": "2: ud2", |frame| frame.ss = 0xffff,
        |frame| frame.trap == 13 && frame.error == 0xfffc;
    at_mark "absurd data segments": "2: ud2",
        |frame| (frame.ds, frame.es, frame.fs, frame.gs) = (0x10, 0xffff, 0x33, 0x5b),
        |frame| undefined(frame)
            && (frame.ds, frame.es, frame.fs, frame.gs) == (0, 0, 0, 0);
    at_mark "non-canonical bases": "2: ud2",
        |frame| (frame.fs_base, frame.gs_base) = (NON_CANONICAL, NON_CANONICAL), undefined;
    at_mark "bases in the kernel": "2: mov rax, fs:[0]", |frame| frame.fs_base = KERNEL,
        kernel_fault;
    at_mark "own segments": "mov eax, 0x23\nmov fs, eax\nmov gs, eax\nnothing_call\n2: ud2", as_is,
        |frame| undefined(frame) && (frame.fs, frame.gs) == (0x23, 0x23);

    // Floating point.
    at_mark "initial FPU state":
        "push 0\npush 0\nstmxcsr [rsp]\nfnstcw [rsp + 8]\npop rax\npop rbx\n2: ud2", as_is,
        |frame| undefined(frame) && (frame.rax, frame.rbx) == (0x1f80, 0x37f);
    at_mark "FPU registers are set": "mov eax, 0x1234\nmovq xmm7, rax\n2: ud2", as_is, undefined;
    at_mark "FPU registers are kept": "nothing_call\nmovq rax, xmm7\n2: ud2", as_is,
        |frame| undefined(frame) && frame.rax == 0x1234;
    at_mark "x87 exception":
        "fninit\npush 0x37b\nfldcw [rsp]\nfld1\nfldz\nfdivp\n2: fwait\nnop", as_is,
        |frame| frame.trap == 16;
    // The emulator has none of these.
    anywhere "SIMD exception":
        "fninit\npush 0x1d80\nldmxcsr [rsp]\nmov eax, 1\ncvtsi2sd xmm0, eax\nxorps xmm1, xmm1\n\
        2: divsd xmm0, xmm1", as_is, |frame| frame.trap == 19 || undefined(frame);

    // 32-bit code; CS stays what it is until the next of these. By far jumps, because the emulator
    // gets far returns wrong where there is SMAP.
    at_mark "system call of 32-bit code":
        "push 0x1b\nlea rcx, [rip + 3f]\nsub rsp, 4\nmov [rsp], ecx\njmp fword ptr [rsp]\n\
        .code32\n3: nop\n2: .byte 0x0f, 0x05\n.code64", as_is,
        |frame| undefined(frame) && frame.cs == 0x1b;
    at_mark "back to 64-bit code":
        ".code32\npush 0x2b\npush esi\njmp fword ptr [esp]\n.code64\n2: ud2",
        |frame| frame.rsi = frame.rip + FAR_JUMP_LENGTH,
        |frame| undefined(frame) && frame.cs == 0x2b;
}
