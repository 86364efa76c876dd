//! The first instructions: from the loader's address space into the kernel's.
//!
//! Entered as abi/07 says, in long mode at the physical address of `_start`,
//! RAM mapped one to one. Builds the first page tables (the low GiB, at its
//! own address and at the image's) and continues at the linked address.

use core::arch::naked_asm;
use core::cell::UnsafeCell;

use super::paging::{IMAGE_OFFSET, PageTable};
use super::stacks::STACK_SIZE;

#[repr(C, align(4096))]
struct Stack(UnsafeCell<[u8; STACK_SIZE]>);

// SAFETY: only the boot CPU's stack pointer points into it.
unsafe impl Sync for Stack {}

/// The linker script puts an unmapped page below.
#[unsafe(link_section = ".stack")]
static STACK: Stack = Stack(UnsafeCell::new([0; STACK_SIZE]));

/// First page tables; other CPUs begin with them too.
pub(super) static FIRST_ROOT: PageTable = PageTable::new();
static LOW: PageTable = PageTable::new();
static HIGH: PageTable = PageTable::new();
static GIBIBYTE: PageTable = PageTable::new();

/// Where the boot CPU's kernel stack ends.
pub(super) fn stack_top() -> u64 {
    STACK.0.get() as u64 + STACK_SIZE as u64
}

/// The kernel's entry point; `_start_physical` in the linker script is its
/// physical address.
#[unsafe(naked)]
#[unsafe(no_mangle)]
#[unsafe(link_section = ".start")]
unsafe extern "C" fn _start() -> ! {
    naked_asm!(
        "cli",
        "cld",
        // The loader need not have cleared what the image does not contain.
        "lea rdi, [rip + __bss_start]",
        "lea rcx, [rip + __bss_end]",
        "sub rcx, rdi",
        "xor eax, eax",
        "rep stosb",
        // Instruction-relative addresses are physical ones here.
        "lea rdi, [rip + {root}]",
        "lea rsi, [rip + {low}]",
        "lea rdx, [rip + {high}]",
        "lea rbx, [rip + {gibibyte}]",
        "lea rax, [rsi + 3]",
        "mov [rdi], rax",
        "lea rax, [rdx + 3]",
        "mov [rdi + 511 * 8], rax",
        "lea rax, [rbx + 3]",
        "mov [rsi], rax",
        "mov [rdx + 510 * 8], rax",
        // 512 pages of 2 MiB: present, writable, large.
        "mov eax, 0x83",
        "2:",
        "mov [rbx], rax",
        "add rax, 0x200000",
        "add rbx, 8",
        "cmp eax, 0x40000083",
        "jne 2b",
        "mov cr3, rdi",
        "lea rax, [rip + 3f]",
        "mov rcx, {offset}",
        "add rax, rcx",
        "jmp rax",
        "3:",
        "lea rsp, [rip + {stack} + {stack_size}]",
        "xor ebp, ebp",
        "call {main}",
        "ud2",
        root = sym FIRST_ROOT,
        low = sym LOW,
        high = sym HIGH,
        gibibyte = sym GIBIBYTE,
        offset = const IMAGE_OFFSET,
        stack = sym STACK,
        stack_size = const STACK_SIZE,
        main = sym super::boot::main,
    );
}
