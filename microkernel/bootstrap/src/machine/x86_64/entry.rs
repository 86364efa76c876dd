//! The way into 64-bit mode.
//!
//! Both protocols enter in 32-bit protected mode with flat segments, paging and interrupts off, and
//! the address of their information in ebx. PVH comes in by the address in the ELF note, multiboot2
//! by the ELF entry point; eax then holds the protocol's magic number.

use core::arch::global_asm;

use bootstrap::firmware::x86_64::multiboot2;

use super::firmware::PVH;

global_asm!(
    // Multiboot2 specification 2.0 §3.1: magic, architecture i386, length, checksum; then only the
    // end tag.
    ".section .multiboot2, \"a\"",
    ".balign 8",
    "header: .long 0xe85250d6, 0, header_end - header, -(0xe85250d6 + (header_end - header))",
    ".short 0, 0",
    ".long 8",
    "header_end:",
    // XEN_ELFNOTE_PHYS32_ENTRY.
    ".section .note.pvh, \"a\", @note",
    ".balign 4",
    ".long 4, 4, 18",
    ".asciz \"Xen\"",
    ".long pvh_entry",
    ".section .text.entry, \"ax\"",
    ".code32",
    ".globl multiboot2_entry",
    "pvh_entry:",
    "mov eax, {pvh}",
    "multiboot2_entry:",
    "cli",
    "cld",
    "mov esp, offset stack_top",
    "mov esi, eax",
    // Four page directories of 2 MiB pages, one behind the other: 0 to 4 GiB, present, writable,
    // large.
    "mov edi, offset page_directories",
    "mov eax, 0x83",
    "2: mov [edi], eax",
    "mov dword ptr [edi + 4], 0",
    "add edi, 8",
    "add eax, 0x200000",
    "jnc 2b",
    "mov edi, offset page_directory_pointers",
    "mov eax, offset page_directories + 3",
    "mov ecx, 4",
    "3: mov [edi], eax",
    "add edi, 8",
    "add eax, 0x1000",
    "loop 3b",
    "mov edi, offset page_map",
    "mov eax, offset page_directory_pointers + 3",
    "mov [edi], eax",
    "mov cr3, edi",
    // Physical address extension, long mode enable, paging.
    "mov eax, cr4",
    "or eax, 1 << 5",
    "mov cr4, eax",
    "mov ecx, 0xc0000080",
    "rdmsr",
    "or eax, 1 << 8",
    "wrmsr",
    "mov eax, cr0",
    "or eax, (1 << 31) | 1",
    "mov cr0, eax",
    "lgdt [descriptor_table_pointer]",
    "push 8",
    "mov eax, offset long_mode",
    "push eax",
    "retf",
    ".code64",
    "long_mode: mov eax, 16",
    "mov ds, eax",
    "mov es, eax",
    "mov ss, eax",
    "xor eax, eax",
    "mov fs, eax",
    "mov gs, eax",
    "mov edi, esi",
    "mov esi, ebx",
    "xor ebp, ebp",
    "call {start}",
    "ud2",
    ".section .rodata.descriptor_table, \"a\"",
    ".balign 8",
    // 64-bit code, data.
    "descriptor_table: .quad 0, 0x00af9a000000ffff, 0x00cf92000000ffff",
    "descriptor_table_pointer: .short 23",
    ".long descriptor_table",
    ".section .bss.entry, \"aw\", @nobits",
    ".balign 4096",
    "page_map: .skip 4096",
    "page_directory_pointers: .skip 4096",
    "page_directories: .skip 4 * 4096",
    ".skip {stack_size}",
    "stack_top:",
    ".text",
    pvh = const PVH,
    start = sym crate::machine::start,
    stack_size = const crate::machine::STACK_SIZE,
);

const _: () = assert!(PVH != multiboot2::MAGIC);
