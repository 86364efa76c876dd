//! Sizes and offsets of all that kernel and programs share as structures.

use std::mem::{offset_of, size_of};

use l4_abi::*;

/// Checks the size of a structure, if it is given, and where its fields are.
macro_rules! layout {
    ($type:ty $(, size $size:expr)?; $($field:ident: $offset:expr),*) => {
        $(assert_eq!(size_of::<$type>(), $size, stringify!($type));)?
        $(assert_eq!(offset_of!($type, $field), $offset, stringify!($type.$field));)*
    };
}

#[test]
fn frames_and_vcpu_states_of_x86_64() {
    layout!(arch::x86_64::ExceptionFrame, size 0xd0;
        r8: 0x38, rdi: 0x40, rsi: 0x48, rbp: 0x50, fault_address: 0x58, rbx: 0x60, rdx: 0x68,
        rcx: 0x70, rax: 0x78, trap: 0x80, error: 0x88, rip: 0x90, cs: 0x98, rflags: 0xa0,
        rsp: 0xa8, ss: 0xb0, fs_base: 0xb8, gs_base: 0xc0, ds: 0xc8, gs: 0xce
    );
    layout!(arch::x86_64::vcpu::VcpuState, size 0x198;
        user_data: 0x008, registers: 0x040, ipc: 0x110, state: 0x150, saved_state: 0x152,
        sticky_flags: 0x154, user_task: 0x158, entry_stack: 0x160, entry_instruction: 0x168,
        reserved_stack: 0x170, host: 0x178
    );
    layout!(arch::x86_64::vcpu::IpcRegisters;
        label: 0x08, tag: 0x38
    );
    layout!(arch::x86_64::vcpu::HostState;
        ds: 0x10, user_ds32: 0x18, user_cs64: 0x1a, user_cs32: 0x1c
    );
}

#[test]
fn frames_and_vcpu_states_of_aarch64() {
    layout!(arch::aarch64::ExceptionFrame, size 0x140;
        x: 0x08, reserved: 0x100, error: 0x108, fault_address: 0x110, sp: 0x118, pc: 0x120,
        pstate: 0x128, tpidrro: 0x130, tpidr: 0x138
    );
    layout!(arch::aarch64::vcpu::VcpuState, size 0x1d8;
        user_data: 0x008, registers: 0x040, ipc: 0x180, state: 0x1a8, saved_state: 0x1aa,
        sticky_flags: 0x1ac, user_task: 0x1b0, entry_stack: 0x1b8, entry_instruction: 0x1c0,
        reserved_stack: 0x1c8, host: 0x1d0
    );
    layout!(arch::aarch64::vcpu::IpcRegisters;
        tag: 0x00, label: 0x08
    );
}

#[test]
fn module_list_and_kernel_options() {
    layout!(boot::ModuleInfo, size 0x30;
        command_line: 0x08, modules: 0x10, module_count: 0x18, vbe_controller: 0x20,
        vbe_mode: 0x28
    );
    layout!(boot::Module, size 0x20;
        start: 0x08, end: 0x10, command_line: 0x18
    );
    layout!(boot::options::Uart, size 52;);
    layout!(boot::options::OptionsV5;
        flags: 0x08, kernel_memory_kib: 0x0c, uart: 0x10, core_spin_address: 0x44,
        debugger_command: 0x4c, trace_entries: 0xcc, output_buffer: 0xd0, node: 0xd4
    );
    layout!(boot::options::OptionsV6;
        performance_profile: 0x10, uart: 0x14, core_spin_address: 0x48, debugger_command: 0x50,
        trace_entries: 0xd0, output_buffer: 0xd4, node: 0xd8
    );
}

#[test]
fn kernel_info_page() {
    layout!(arch::x86_64::KipHeader, size arch::x86_64::KIP_MEMORY_DESCRIPTORS_OFFSET;);
    layout!(arch::aarch64::KipHeader, size arch::aarch64::KIP_MEMORY_DESCRIPTORS_OFFSET;);
    layout!(kip::Header<3>;
        version_string_offset: 0x08, syscall_flags: 0x0c, node: 0x0d, sigma0_entry: 0x10,
        root_task_entry: 0x18, clock: kip::CLOCK_OFFSET, cpu_frequency_khz: 0x28,
        acpi_rsdp: 0x30, device_tree: 0x38, user_pointer: 0x40, scheduler_granularity: 0x50,
        memory_descriptors_offset: 0x54, memory_descriptors_count: 0x58, platform_name: 0x70,
        is_multiprocessor: 0x80, architecture: 0x84
    );
    layout!(kip::MemoryDescriptor, size 16;);
}

#[test]
fn utcb() {
    layout!(utcb::Utcb, size utcb::SIZE;
        message: utcb::MESSAGE_OFFSET, kernel_word: utcb::KERNEL_WORD_OFFSET,
        buffer_descriptor: utcb::BUFFER_DESCRIPTOR_OFFSET, buffers: utcb::BUFFERS_OFFSET,
        error: utcb::ERROR_OFFSET, free_marker: utcb::FREE_MARKER_OFFSET, user: utcb::USER_OFFSET
    );
}

#[test]
fn what_programs_start_with() {
    layout!(l4re::Environment, size 0x70;
        parent: 0x00, region_map: 0x08, mem_alloc: 0x10, log: 0x18, main_thread: 0x20,
        factory: 0x28, scheduler: 0x30, itas: 0x38, dbg_events: 0x40,
        first_free_capability: 0x48, first_free_reply_capability: 0x50, utcb_area: 0x58,
        first_free_utcb: 0x60, capabilities: 0x68
    );
    layout!(l4re::CapabilityEntry, size 0x20;
        flags: 0x08, name: 0x10
    );
    layout!(l4re::Auxiliary, size 0x28;);
}

#[test]
fn structures_of_servers() {
    layout!(protocol::region_map::RegionEntry, size 24;);
    layout!(protocol::virtio::ConfigHeader, size 0x100;
        device_features: 0x10, driver_features: 0x20, queue_count: 0x28, queues_offset: 0x2c,
        queue_select: 0x30, queue_size_max: 0x34, queue_size: 0x38, queue_ready: 0x44,
        queue_notify: 0x50, irq_status: 0x60, irq_acknowledge: 0x64, status: 0x70,
        driver_notify_index: 0x74, device_notify_index: 0x78, command: 0x7c,
        queue_descriptors: 0x80, queue_available: 0x90, queue_used: 0xa0, shared_select: 0xac,
        shared_length: 0xb0, shared_base: 0xb8, device_features_map: 0xc0,
        driver_features_map: 0xe0, generation: 0xfc
    );
    layout!(protocol::virtio::QueueConfig, size 0x28;
        device_notify_index: 0x20
    );
}
