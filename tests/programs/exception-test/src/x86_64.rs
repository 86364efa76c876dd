//! What user mode must not do on x86_64.

use l4_abi::arch::x86_64::exception::trap;
use l4_abi::exception::ExceptionFrame;

use crate::Refusal::{Exception, PageFault};
use crate::{Attack, Code};

/// Numbers of exceptions: vectors.
pub(crate) const BREAKPOINT: u64 = trap::BREAKPOINT;
pub(crate) const TRIGGERED: u64 = trap::TRIGGERED;
pub(crate) const PAGE_FAULT: u64 = trap::PAGE_FAULT;
const PROTECTION: u64 = trap::GENERAL_PROTECTION;

/// Page-fault flags: the page is mapped, written, fetched.
const PRESENT: u64 = 1;
const WRITE: u64 = 2;
const FETCH: u64 = 4;

macro_rules! code {
    ($($name:ident: $($line:literal),+;)*) => {
        $(
            #[unsafe(naked)]
            unsafe extern "C" fn $name() {
                core::arch::naked_asm!($($line,)+ "ud2")
            }
        )*
    };
}

macro_rules! attacks {
    ($($group:literal { $($name:ident: $refusal:expr => $($line:literal),+;)* })*) => {
        code! { $($($name: $($line),+;)*)* }

        /// All of them, by what they try.
        pub(crate) const ATTACKS: &[(&str, &[Attack])] = &[$(($group, &[
            $(Attack { name: stringify!($name), code: $name, refusal: $refusal },)*
        ]),)*];
    };
}

attacks! {
    "reads and writes outside of its memory" {
        read_null: PageFault(0) => "mov rax, [8]";
        write_code: PageFault(PRESENT | WRITE) => "mov [rip], rax";
        write_screen: PageFault(WRITE) => "mov byte ptr [0xb8000], 1";
        read_non_canonical: Exception(PROTECTION) => "mov rax, 0x0000800000000000", "mov rax, [rax]";
    }
    "running what is no code" {
        run_data: PageFault(PRESENT | FETCH) => "mov eax, 0xb8000000", "jmp rax";
        run_nothing: PageFault(FETCH) => "mov eax, 0x1000", "jmp rax";
    }
    "addresses of the kernel" {
        read_kernel: Exception(PAGE_FAULT) => "mov rax, 0xffffffff80400000", "mov rax, [rax]";
        write_kernel: Exception(PAGE_FAULT) => "mov rax, 0xffffff0000000000", "mov [rax], rax";
        run_kernel: Exception(PAGE_FAULT) => "mov rax, 0xffffffff80400000", "jmp rax";
    }
    "devices and I/O ports" {
        read_port: Exception(PROTECTION) => "in al, 0x60";
        write_port: Exception(PROTECTION) => "mov dx, 0xcf9", "mov al, 6", "out dx, al";
        read_string: Exception(PROTECTION) => "mov dx, 0x3f8", "mov edi, 0xb8000010", "insb";
    }
    "system registers" {
        read_cr0: Exception(PROTECTION) => "mov rax, cr0";
        write_cr3: Exception(PROTECTION) => "mov cr3, rax";
        write_cr4: Exception(PROTECTION) => "mov cr4, rax";
        write_dr7: Exception(PROTECTION) => "mov dr7, rax";
        read_msr: Exception(PROTECTION) => "mov ecx, 0xc0000082", "rdmsr";
        write_msr: Exception(PROTECTION) => "mov ecx, 0xc0000082", "wrmsr";
        load_interrupt_table: Exception(PROTECTION) => "lidt [rip]";
        load_descriptor_table: Exception(PROTECTION) => "lgdt [rip]";
        load_task: Exception(PROTECTION) => "mov ax, 0x30", "ltr ax";
        clear_task_switched: Exception(PROTECTION) => "clts";
    }
    "privileged instructions" {
        interrupt: Exception(PROTECTION) => "int 0x80";
        timer_interrupt: Exception(PROTECTION) => "int 0x20";
        overflow_interrupt: Exception(PROTECTION) => "int 4";
        page_fault_interrupt: Exception(PROTECTION) => "int 14";
        halt: Exception(PROTECTION) => "hlt";
        mask_interrupts: Exception(PROTECTION) => "cli";
        swap_gs: Exception(PROTECTION) => "swapgs";
        system_return: Exception(PROTECTION) => "sysretq";
        flush_page: Exception(PROTECTION) => "invlpg [rip]";
        flush_caches: Exception(PROTECTION) => "wbinvd";
        load_kernel_segment: Exception(PROTECTION) => "mov ax, 0x10", "mov ds, ax";
    }
    "undefined instructions and divisions" {
        divide: Exception(trap::DIVIDE) => "xor ecx, ecx", "div ecx";
        undefined: Exception(trap::UNDEFINED) => "ud2";
    }
}

code! {
    breakpoint: "int3", "int3", "int3";
    spin: "2: jmp 2b";
    alternate:
        "mov r12d, 1000",
        "xor r13d, r13d",
        "movq xmm0, rsp", "movdqa xmm1, xmm0", "movdqa xmm7, xmm0", "movdqa xmm15, xmm0",
        "2: xor eax, eax",
        "mov rdx, -2046", // no capability, receive
        "mov r8d, 2",     // for 2 µs
        "syscall",
        "movq r14, xmm0", "xor r14, rsp", "or r13, r14",
        "movq r14, xmm1", "xor r14, rsp", "or r13, r14",
        "movq r14, xmm7", "xor r14, rsp", "or r13, r14",
        "movq r14, xmm15", "xor r14, rsp", "or r13, r14",
        "dec r12d",
        "jnz 2b",
        "mov rax, r13",
        "int3";
    look:
        "movq rax, xmm0",
        "movq r14, xmm7", "or rax, r14",
        "movq r14, xmm15", "or rax, r14",
        "int3";
}

/// Raises [`BREAKPOINT`].
pub(crate) const BREAKPOINT_CODE: Code = breakpoint;
/// Never ends.
pub(crate) const ENDLESS_LOOP: Code = spin;
/// Fills FPU registers with the stack pointer, which is 1 to 15, and sleeps many times; the
/// result is 0 if they always stay. Then a breakpoint.
pub(crate) const FPU_ALTERNATE: Code = alternate;
/// The result is 0 if the FPU is fresh; then a breakpoint.
pub(crate) const FPU_LOOK: Code = look;

/// A thread that goes on after its breakpoint meets the next one.
pub(crate) fn after_breakpoint(instruction_pointer: u64) -> u64 {
    instruction_pointer + 1
}

/// The exception's number.
pub(crate) fn number(frame: &ExceptionFrame) -> u64 {
    frame.trap
}

/// What code leaves for the test.
pub(crate) fn result(frame: &ExceptionFrame) -> u64 {
    frame.rax
}

/// The same registers, elsewhere.
pub(crate) fn at(frame: ExceptionFrame, instruction_pointer: u64) -> ExceptionFrame {
    ExceptionFrame {
        rip: instruction_pointer,
        ..frame
    }
}

/// The same registers without anything that a thread must not have.
pub(crate) fn mended(frame: ExceptionFrame) -> ExceptionFrame {
    ExceptionFrame {
        rsp: 0,
        ss: 0x23,
        rflags: 0x202,
        fs_base: 0,
        gs_base: 0,
        ds: 0x23,
        es: 0x23,
        fs: 0,
        gs: 0,
        ..frame
    }
}

type Spoil = fn(&mut ExceptionFrame);

/// Changes of the registers at a breakpoint, and the exceptions that follow.
pub(crate) const SPOILT_REGISTERS: &[(&str, Spoil, u64)] = &[
    ("kernel code segment", |frame| frame.cs = 0x8, BREAKPOINT),
    ("all bits of CS", |frame| frame.cs = !0, BREAKPOINT),
    ("I/O privilege", |frame| frame.rflags = 0x3202, BREAKPOINT),
    ("no interrupts", |frame| frame.rflags = 0x2, BREAKPOINT),
    ("nested task", |frame| frame.rflags = 0x4202, BREAKPOINT),
    (
        "virtual 8086 mode",
        |frame| frame.rflags = 0x2_0202,
        BREAKPOINT,
    ),
    (
        "all flags but TF",
        |frame| frame.rflags = !0x100,
        BREAKPOINT,
    ),
    ("single step", |frame| frame.rflags = 0x302, BREAKPOINT),
    ("no stack", |frame| frame.rsp = !0, BREAKPOINT),
    (
        "a non-canonical stack",
        |frame| frame.rsp = 1 << 47,
        BREAKPOINT,
    ),
    (
        "kernel rip",
        |frame| frame.rip = 0xffff_ffff_8040_0000,
        PAGE_FAULT,
    ),
    ("non-canonical rip", |frame| frame.rip = 1 << 47, PROTECTION),
];
