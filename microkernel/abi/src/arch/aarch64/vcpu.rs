//! aarch64: state of a virtual CPU.
//!
//! Source: `abi/06` §1.

use super::exception::ExceptionFrame;

/// `version` of the state.
pub const VERSION: u64 = 0x38;
/// Size of an extended vCPU's state, in bytes.
pub const EXTENDED_SIZE: usize = 0x800;
/// Offset of the extended state (EL1 context, virtual interrupt controller).
pub const EXTENDED_STATE_OFFSET: usize = 0x280;

/// The system call registers of a message that entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct IpcRegisters {
    /// Received tag.
    pub tag: u64,
    /// Received label.
    pub label: u64,
    /// Not written.
    pub destination: u64,
    /// Not written.
    pub timeout: u64,
    /// Not written.
    pub x4: u64,
}

/// State of the vCPU's kernel mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct HostState {
    /// TPIDRRO_EL0.
    pub tpidrro: u64,
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
    pub reserved_1ae: u16,
    /// [`UserTask`](crate::vcpu::UserTask).
    pub user_task: u64,
    /// Stack for entries from user mode.
    pub entry_stack: u64,
    /// Where entries begin.
    pub entry_instruction: u64,
    /// The stack that the kernel used for the last entry.
    pub reserved_stack: u64,
    /// For the vCPU's kernel mode.
    pub host: HostState,
}
