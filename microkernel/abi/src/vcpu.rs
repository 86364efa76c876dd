//! Virtual CPUs: a thread that takes faults and messages as entries, as a CPU takes interrupts.
//!
//! Source: `abi/06` §1–4. The state structure differs per architecture: `arch::*::VcpuState`;
//! extended state for virtual machines is in `arch::*::vm`.

use crate::flags::flags;

use crate::capability::Selector;

pub use crate::arch::native::VcpuState;

flags! {
    /// `state` and `saved_state` of a vCPU.
    pub struct StateFlags: u16 {
        /// Messages and interrupts enter.
        const IRQ = 0x01;
        /// Page faults enter instead of going to the pager.
        const PAGE_FAULTS = 0x02;
        /// Exceptions enter instead of going to the exception handler.
        const EXCEPTIONS = 0x04;
        /// The vCPU runs in user mode, in the user task or VM.
        const USER_MODE = 0x20;
        /// The FPU may be used in user mode.
        const FPU_ENABLED = 0x80;
        /// What every entry clears, and entering user mode sets but for the mode itself.
        const ENTRY = Self::IRQ.bits() | Self::PAGE_FAULTS.bits() | Self::EXCEPTIONS.bits();
    }
}

flags! {
    /// `sticky_flags` of a vCPU.
    pub struct StickyFlags: u16 {
        /// A sender is queued.
        const IRQ_PENDING = 0x01;
    }
}

/// Nominal size of the basic state, in bytes.
pub const BASIC_SIZE: usize = 0x200;
/// Offset of the information block of an extended vCPU.
pub const EXTENDED_INFO_OFFSET: usize = 0x200;

/// Result of a resume: the VM exited, the reason is in the extended state.
pub const RESUME_EXIT: i64 = 0;
/// Result of a resume: a message waits for the vCPU.
pub const RESUME_PENDING: i64 = 1;

/// The `user_task` word: a selector whose low nibble tells the kernel what to do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct UserTask(u64);

/// What a resume does with the user task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserTaskChange {
    /// Keep the one in use.
    Keep,
    /// Have none from now on.
    Drop,
    /// Look this slot up.
    LookUp(u64),
}

impl UserTask {
    const CACHED: u64 = 1;
    const DROP: u64 = 8;
    const COMMAND_MASK: u64 = 0xf;

    /// The word that makes a resume use this task.
    pub const fn new(task: Selector) -> UserTask {
        UserTask(task.raw() & !Self::COMMAND_MASK)
    }

    /// Takes a word as it is.
    pub const fn from_raw(raw: u64) -> UserTask {
        UserTask(raw)
    }

    /// The word as it is stored.
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// What a resume is to do.
    pub const fn change(self) -> UserTaskChange {
        match self.0 & Self::COMMAND_MASK {
            0 if self.0 & Selector::INVALID_BIT == 0 => {
                UserTaskChange::LookUp(Selector::from_raw(self.0).index())
            }
            Self::DROP => UserTaskChange::Drop,
            _ => UserTaskChange::Keep,
        }
    }

    /// True if the kernel has looked the task up: keep it.
    pub const fn is_cached(self) -> bool {
        self.0 & Self::CACHED != 0
    }

    /// The word after the kernel has looked the task up.
    pub const fn cached(self) -> UserTask {
        UserTask(self.0 | Self::CACHED)
    }
}
