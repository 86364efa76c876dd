//! Exceptions and interrupts: the table, the way in, and what they mean.
//!
//! The CPU itself pushes the first registers to the end of the current
//! thread's frame (`TaskState::rsp0`), the code here pushes the rest. From
//! kernel mode there are three kinds: an interrupt in idle or in front of the
//! next kind, a fault of the `iretq` that leaves the kernel, which is the
//! user's, and kernel bugs.

use core::arch::{asm, global_asm, naked_asm};
use core::cell::UnsafeCell;
use core::mem::offset_of;

use l4_abi::arch::x86_64::fault::fault_word;

use super::context::Frame;
use super::cpu::{DEBUG_STACK, ENTRY_STACK, FAILURE_STACK, NMI_STACK, TablePointer, selector};
use super::isolation::{self, detour};
use super::paging;
use super::syscall::{block, leave, with_offsets};
pub use crate::event::{Fault, Source};
use crate::panic;
use crate::per_cpu::CpuBlock;

/// Exception vectors (SDM 6.15).
pub(super) mod vector {
    pub(crate) const DEBUG: u64 = 1;
    pub(super) const NMI: u64 = 2;
    pub(super) const BREAKPOINT: u64 = 3;
    pub(super) const INVALID_OPCODE: u64 = 6;
    pub(super) const DEVICE_NOT_AVAILABLE: u64 = 7;
    pub(super) const DOUBLE_FAULT: u64 = 8;
    pub(super) const GENERAL_PROTECTION: u64 = 13;
    pub(super) const PAGE_FAULT: u64 = 14;
    pub(super) const MACHINE_CHECK: u64 = 18;
}

/// The vectors below are exceptions.
pub(super) const FIRST_INTERRUPT: u64 = 32;

/// An interrupt as the CPU reports it: its vector. The chip knows more
/// ([`IrqChip::claim`](super::irqchip::IrqChip::claim)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Interrupt(pub(super) u32);

unsafe extern "C" {
    /// The kernel's part, see [`upcalls!`](crate::upcalls).
    fn brio_fault(cpu: *mut CpuBlock, fault: &Fault);
    fn brio_interrupt(cpu: *mut CpuBlock, interrupt: Interrupt);
    /// 256 entries of 16 bytes.
    #[link_name = "brio_vectors"]
    static VECTORS: [[u8; 16]; 256];
    /// Bounds of the code that runs with the user's stack or GS.
    #[link_name = "__entry_start"]
    static ENTRY_START: u8;
    #[link_name = "__entry_end"]
    static ENTRY_END: u8;
}

// One entry a vector: [error code,] vector, and to the code of its kind.
global_asm!(
    ".pushsection .entry, \"ax\", @progbits",
    ".balign 16",
    ".global brio_vectors",
    "brio_vectors:",
    ".set vector, 0",
    ".rept 256",
    ".balign 16",
    ".if vector != 8 && vector != 10 && vector != 11 && vector != 12 && vector != 13 \
        && vector != 14 && vector != 17 && vector != 21 && vector != 29 && vector != 30",
    "pushq $0",
    ".endif",
    "pushq $vector",
    ".if vector == 1",
    "jmp {debug}",
    ".elseif vector == 2",
    "jmp {nmi}",
    ".elseif vector == 8 || vector == 18",
    "jmp {failure}",
    ".elseif vector < {first_interrupt}",
    "jmp {fault}",
    ".else",
    "jmp {interrupt}",
    ".endif",
    ".set vector, vector + 1",
    ".endr",
    ".popsection",
    debug = sym debug_entry,
    nmi = sym nmi_entry,
    failure = sym failure_entry,
    fault = sym fault_entry,
    interrupt = sym interrupt_entry,
    first_interrupt = const FIRST_INTERRUPT,
    options(att_syntax),
);

/// What the entries above and the CPU have pushed when they get here.
#[repr(C)]
pub(super) struct Pushed {
    pub(super) vector: u64,
    pub(super) error: u64,
    pub(super) rip: u64,
    pub(super) cs: u64,
    pub(super) rflags: u64,
    pub(super) rsp: u64,
    pub(super) ss: u64,
}

/// RFLAGS.VM. There is no virtual-8086 mode in 64-bit kernels' user mode, but
/// QEMU's emulator lets `iret` enter it; then CS has any value, such as one
/// that looks like the kernel's.
pub(super) const VIRTUAL_8086: u32 = 1 << 17;

/// Pushes a user's registers from rax to r15 below its `Pushed`, and gives
/// the compiler's code the flags, first argument and stack that it expects.
/// `$fault_address` is an instruction or two that push one word.
macro_rules! save_registers {
    ($($fault_address:literal),+) => {
        concat!(
            "push rax\n push rcx\n push rdx\n push rbx\n",
            $($fault_address, "\n",)+
            "push rbp\n push rsi\n push rdi\n push r8\n push r9\n push r10\n push r11\n",
            "push r12\n push r13\n push r14\n push r15\n",
            // Neither AC nor DF is cleared by the CPU.
            "push 2\n popfq\n",
            "mov rdi, gs:[{this}]\n",
        )
    };
}

#[unsafe(naked)]
#[unsafe(link_section = ".entry")]
unsafe extern "C" fn fault_entry() {
    with_offsets!(
        naked_asm, Pushed, [vector error rip cs rflags],
        detour!("brio_isolated_trap"),
        "test byte ptr [rsp + {cs}], 3",
        "jz 3f",
        "2:",
        "swapgs",
        ".global brio_fault_from_user",
        "brio_fault_from_user:",
        save_registers!("mov rax, cr2", "push rax"),
        "mov rsp, gs:[{stack_top}]",
        "call {upcall}",
        "jmp {leave}",
        // In kernel mode. A fault of the last instruction of the way out is
        // the user's: all registers are the user's again but those that
        // `iretq` was to load, which are still in the frame.
        "3:",
        "test dword ptr [rsp + {rflags}], {virtual_8086}",
        "jnz 2b",
        "push rax",
        "lea rax, [rip + brio_iretq]",
        "cmp rax, [rsp + 8 + {rip}]",
        "pop rax",
        "jne {bug}",
        ".global brio_fault_of_iretq",
        "brio_fault_of_iretq:",
        "swapgs",
        "mov gs:[{scratch}], rax",
        "mov rax, [rsp + {vector}]",
        "mov gs:[{scratch} + 8], rax",
        "mov rax, [rsp + {error}]",
        "mov rsp, gs:[{frame}]",
        "add rsp, {frame_rip}",
        "push rax",
        "push gs:[{scratch} + 8]",
        "mov rax, gs:[{scratch}]",
        save_registers!("mov rax, cr2", "push rax"),
        "mov rsp, gs:[{stack_top}]",
        // Not even now has the thread come to user mode, and maybe it never
        // does: interrupts that wait come first, and the fault comes again.
        "sti",
        "nop",
        "cli",
        "call {upcall}",
        "jmp {leave}",
        virtual_8086 = const VIRTUAL_8086,
        this = const block::THIS,
        frame = const block::FRAME,
        stack_top = const block::STACK_TOP,
        scratch = const block::SCRATCH,
        frame_rip = const offset_of!(Frame, rip),
        upcall = sym fault,
        leave = sym leave,
        bug = sym failure_entry,
    );
}

#[unsafe(naked)]
#[unsafe(link_section = ".entry")]
unsafe extern "C" fn interrupt_entry() {
    with_offsets!(
        naked_asm, Pushed, [vector cs rflags],
        detour!("brio_isolated_trap"),
        "test byte ptr [rsp + {cs}], 3",
        "jz 3f",
        "2:",
        "swapgs",
        ".global brio_interrupt_from_user",
        "brio_interrupt_from_user:",
        save_registers!("sub rsp, 8"),
        "mov esi, [rsp + {frame_vector}]",
        "4:",
        "mov rsp, gs:[{stack_top}]",
        "call {upcall}",
        "jmp {leave}",
        // In kernel mode interrupts are on in idle and after a fault of
        // `iretq`; nothing to keep.
        "3:",
        "test dword ptr [rsp + {rflags}], {virtual_8086}",
        "jnz 2b",
        ".global brio_interrupt_in_kernel",
        "brio_interrupt_in_kernel:",
        "mov rdi, gs:[{this}]",
        "mov esi, [rsp + {vector}]",
        "jmp 4b",
        virtual_8086 = const VIRTUAL_8086,
        frame_vector = const offset_of!(Frame, trap_number) - offset_of!(Frame, r15),
        this = const block::THIS,
        stack_top = const block::STACK_TOP,
        upcall = sym brio_interrupt,
        leave = sym leave,
    );
}

/// #DB has a stack of its own, so the user's registers are brought to the
/// frame here. In entry code it is a user's single step that some CPUs report
/// late: the flag goes, the code goes on.
#[unsafe(naked)]
#[unsafe(link_section = ".entry")]
unsafe extern "C" fn debug_entry() {
    with_offsets!(
        naked_asm, Pushed, [vector error rip cs rflags rsp ss],
        detour!("brio_isolated_trap"),
        "test byte ptr [rsp + {cs}], 3",
        "jz 3f",
        "2:",
        "swapgs",
        "mov gs:[{scratch}], rax",
        "mov rax, rsp",
        "mov rsp, gs:[{frame}]",
        "add rsp, {frame_size}",
        "push [rax + {ss}]",
        "push [rax + {rsp}]",
        "push [rax + {rflags}]",
        "push [rax + {cs}]",
        "push [rax + {rip}]",
        "push [rax + {error}]",
        "push [rax + {vector}]",
        "mov rax, gs:[{scratch}]",
        "jmp brio_fault_from_user",
        "3:",
        "test dword ptr [rsp + {rflags}], {virtual_8086}",
        "jnz 2b",
        ".global brio_debug_in_kernel",
        "brio_debug_in_kernel:",
        "push rax",
        "mov rax, [rsp + 8 + {rip}]",
        "push rcx",
        "lea rcx, [rip + {start}]",
        "cmp rax, rcx",
        "jb 4f",
        "lea rcx, [rip + {end}]",
        "cmp rax, rcx",
        "jae 4f",
        "pop rcx",
        "pop rax",
        ".global brio_debug_of_entry",
        "brio_debug_of_entry:",
        "and dword ptr [rsp + {rflags}], {no_trap_flag}",
        "add rsp, {rip}",
        "iretq",
        "4:",
        "pop rcx",
        "pop rax",
        "jmp {bug}",
        frame = const block::FRAME,
        scratch = const block::SCRATCH,
        virtual_8086 = const VIRTUAL_8086,
        frame_size = const size_of::<Frame>(),
        no_trap_flag = const !0x100i32,
        start = sym ENTRY_START,
        end = sym ENTRY_END,
        bug = sym failure_entry,
    );
}

/// Nobody asks for NMIs; they may arrive anywhere, so nothing is touched.
#[unsafe(naked)]
#[unsafe(link_section = ".entry")]
unsafe extern "C" fn nmi_entry() {
    naked_asm!("add rsp, {rip}", "iretq", rip = const offset_of!(Pushed, rip));
}

#[unsafe(naked)]
#[unsafe(link_section = ".entry")]
unsafe extern "C" fn failure_entry() {
    naked_asm!(
        detour!("brio_isolated_failure"),
        "mov rdi, rsp",
        "mov rsi, rbp",
        ".global brio_failure",
        "brio_failure:",
        "and rsp, -16",
        "push 2",
        "popfq",
        "call {failure}",
        "ud2",
        failure = sym failure,
    );
}

/// `syscall` in 32-bit code comes here on AMD's CPUs; on others it is an
/// invalid opcode, so it becomes one.
#[unsafe(naked)]
#[unsafe(link_section = ".entry")]
pub(super) unsafe extern "C" fn entry_from_compatibility_mode() {
    naked_asm!(
        "swapgs",
        "mov gs:[{scratch}], rsp",
        "mov rsp, gs:[{frame}]",
        "add rsp, {frame_size}",
        "push {data}",
        "push gs:[{scratch}]",
        "push r11",
        "push {code}",
        "sub rcx, 2",
        "push rcx",
        "push 0",
        "push {invalid_opcode}",
        "jmp brio_fault_from_user",
        frame = const block::FRAME,
        scratch = const block::SCRATCH,
        frame_size = const size_of::<Frame>(),
        data = const selector::USER_DATA,
        code = const selector::USER_CODE_32,
        invalid_opcode = const vector::INVALID_OPCODE,
    );
}

/// Tells the kernel what the current thread did.
unsafe extern "C" fn fault(cpu: &mut CpuBlock) {
    // SAFETY: an exception in user mode, so a frame was entered.
    let frame = unsafe { &*cpu.frame() };
    let (number, error) = (frame.trap_number.get(), frame.error());
    if number != vector::PAGE_FAULT {
        // An old one, maybe another task's.
        frame.set_fault_address(0);
    }
    let fault = match number {
        vector::PAGE_FAULT => Fault::Page {
            address: frame.fault_address(),
            bits: fault_word(0, error).raw(),
            beyond_user: frame.fault_address() > paging::USER_END,
        },
        vector::DEVICE_NOT_AVAILABLE => Fault::FpuUnavailable,
        vector::GENERAL_PROTECTION if error & 7 == 0 => Fault::Port {
            port: frame.rdx.get() as u16,
        },
        _ => Fault::Exception,
    };
    // SAFETY: the kernel's upcall takes the CPU's block.
    unsafe { brio_fault(cpu, &fault) };
}

/// The end: an exception in kernel mode, or one of the hardware.
unsafe extern "C" fn failure(pushed: &Pushed, frame_pointer: u64) -> ! {
    let address: u64;
    // SAFETY: reading the register has no effect.
    unsafe { asm!("mov {}, cr2", out(reg) address, options(nomem, nostack, preserves_flags)) };
    panic::fatal(
        format_args!(
            "{} (vector {} error {:#x}) at {:#x}, address {:#x}, stack {:#x}",
            name(pushed.vector),
            pushed.vector,
            pushed.error,
            pushed.rip,
            address,
            pushed.rsp,
        ),
        &[pushed.rip],
        frame_pointer,
    )
}

fn name(number: u64) -> &'static str {
    match number {
        vector::DEBUG => "debug exception",
        vector::BREAKPOINT => "breakpoint",
        vector::INVALID_OPCODE => "invalid opcode",
        vector::DOUBLE_FAULT => "double fault",
        vector::GENERAL_PROTECTION => "general protection fault",
        vector::PAGE_FAULT => "page fault",
        vector::MACHINE_CHECK => "machine check",
        _ => "exception",
    }
}

/// A gate of the interrupt descriptor table (SDM 6.14.1).
#[derive(Clone, Copy)]
#[repr(C, align(16))]
struct Gate(u64, u64);

#[repr(C, align(4096))]
struct Table(UnsafeCell<[Gate; 256]>);

// SAFETY: written by the boot CPU before any other runs; only the hardware
// reads it.
unsafe impl Sync for Table {}

static TABLE: Table = Table(UnsafeCell::new([Gate(0, 0); 256]));

/// Fills the table. Once, by the boot CPU.
pub(super) fn fill_table() {
    // SAFETY: no other CPU runs yet, and nothing else has a reference.
    let gates = unsafe { &mut *TABLE.0.get() };
    for (number, gate) in (0u64..).zip(gates.iter_mut()) {
        let handler = (&raw const VECTORS).addr() as u64 + number * 16;
        let stack = match number {
            vector::DEBUG => DEBUG_STACK,
            vector::NMI => NMI_STACK,
            vector::DOUBLE_FAULT | vector::MACHINE_CHECK => FAILURE_STACK,
            _ if isolation::is_on() => ENTRY_STACK,
            _ => 0,
        };
        // User mode may use `int3`; any other `int n` is a #GP (abi/01).
        let privilege = if number == vector::BREAKPOINT { 3 } else { 0 };
        // A present interrupt gate: interrupts stay off.
        let attributes = 0x8e00 | privilege << 13 | u64::from(stack);
        *gate = Gate(
            handler & 0xffff
                | u64::from(selector::KERNEL_CODE) << 16
                | attributes << 32
                | (handler >> 16 & 0xffff) << 48,
            handler >> 32,
        );
    }
}

/// Whether the page of the image at `address` is used between user mode and
/// the kernel: its code, and the table.
pub(super) fn is_on_the_way(address: u64) -> bool {
    let code = (&raw const ENTRY_START).addr()..(&raw const ENTRY_END).addr();
    code.contains(&(address as usize)) || address == TABLE.0.get().addr() as u64
}

/// Lets this CPU use the table.
pub(super) fn load_table() {
    let pointer = TablePointer {
        limit: (size_of::<Table>() - 1) as u16,
        base: TABLE.0.get() as u64,
    };
    // SAFETY: the table is static and filled.
    unsafe { asm!("lidt [{}]", in(reg) &pointer, options(nostack, preserves_flags)) };
}
