//! x86_64: state of a virtual CPU.
//!
//! Source: `abi/06` §1.

use super::exception::ExceptionFrame;

/// `version` of the state.
pub const VERSION: u64 = 0x26;
/// Size of an extended vCPU's state, in bytes.
pub const EXTENDED_SIZE: usize = 0x1000;
/// Offset of the extended state (VMCB or software VMCS).
pub const EXTENDED_STATE_OFFSET: usize = 0x400;

/// The system call registers of a message that entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct IpcRegisters {
    /// Not written.
    pub rdi: u64,
    /// Received label.
    pub label: u64,
    /// Not written.
    pub rbp: u64,
    /// Not written.
    pub reserved_18: u64,
    /// Not written.
    pub rbx: u64,
    /// Not written.
    pub destination: u64,
    /// Not written.
    pub timeout: u64,
    /// Received tag.
    pub tag: u64,
}

/// Segment state of the vCPU's kernel mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct HostState {
    /// FS base.
    pub fs_base: u64,
    /// GS base.
    pub gs_base: u64,
    /// Selector.
    pub ds: u16,
    /// Selector.
    pub es: u16,
    /// Selector.
    pub fs: u16,
    /// Selector.
    pub gs: u16,
    /// The kernel's user data segment.
    pub user_ds32: u16,
    /// The kernel's user code segment, 64 bit.
    pub user_cs64: u16,
    /// The kernel's user code segment, 32 bit.
    pub user_cs32: u16,
    /// Padding.
    pub reserved_1e: u16,
}

/// State shared by kernel and user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct VcpuState {
    /// [`VERSION`], written by the kernel.
    pub version: u64,
    /// The user's own.
    pub user_data: [u64; 7],
    /// Registers of the interrupted code.
    pub registers: ExceptionFrame,
    /// Tag and label of a message that entered.
    pub ipc: IpcRegisters,
    /// [`StateFlags`](crate::vcpu::StateFlags).
    pub state: u16,
    /// The flags before the entry and after the resume.
    pub saved_state: u16,
    /// [`StickyFlags`](crate::vcpu::StickyFlags).
    pub sticky_flags: u16,
    /// Unused.
    pub reserved_156: u16,
    /// [`UserTask`](crate::vcpu::UserTask).
    pub user_task: u64,
    /// Stack for entries from user mode.
    pub entry_stack: u64,
    /// Where entries begin.
    pub entry_instruction: u64,
    /// The stack that the kernel used for the last entry.
    pub reserved_stack: u64,
    /// Segments for the vCPU's kernel mode.
    pub host: HostState,
}
