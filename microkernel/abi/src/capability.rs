//! Capability selectors: how a program names a capability, and the slots every program has.
//!
//! Source: `abi/00` (selectors, well-known slots), `abi/03` §3 (reply capabilities).

use crate::operation::Operation;

/// A capability selector: slot index in bits 63..12, kind in bits 11..10.
///
/// Bits 9..4 carry library markers and are ignored; bits 3..0 belong to the operation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct Selector(u64);

impl Selector {
    /// Position of the slot index.
    pub const SHIFT: u32 = 12;
    /// Set when the selector names no slot.
    pub const INVALID_BIT: u64 = 0x800;
    /// Set when the index names an explicit reply slot.
    pub const REPLY_BIT: u64 = 0x400;
    /// The selector that names no capability.
    pub const INVALID: Selector = Selector(!0 << 11);
    /// The selector that names no reply capability: both special bits are set.
    pub const INVALID_REPLY: Selector = Selector(!0 << 10);
    /// First index that cannot be encoded.
    const INDEX_LIMIT: u64 = 1 << (u64::BITS - Self::SHIFT);

    /// The selector of an object slot.
    pub const fn new(index: u64) -> Selector {
        debug_assert!(index < Self::INDEX_LIMIT);
        Selector(index << Self::SHIFT)
    }

    /// The selector of an explicit reply slot.
    pub const fn reply(index: u64) -> Selector {
        debug_assert!(index < Self::INDEX_LIMIT);
        Selector(index << Self::SHIFT | Self::REPLY_BIT)
    }

    /// Takes a word from a message or register as it is.
    pub const fn from_raw(raw: u64) -> Selector {
        Selector(raw)
    }

    /// The word as it goes into a message or register.
    pub const fn raw(self) -> u64 {
        self.0
    }

    /// The slot index, whatever the special bits say.
    pub const fn index(self) -> u64 {
        self.0 >> Self::SHIFT
    }

    /// Whether the selector names an object slot.
    pub const fn is_valid(self) -> bool {
        self.0 & (Self::INVALID_BIT | Self::REPLY_BIT) == 0
    }

    /// What an operation with this selector addresses (table in `abi/00`).
    pub const fn target(self, operation: Operation) -> Target {
        let special = self.0 & (Self::INVALID_BIT | Self::REPLY_BIT);
        if operation.contains(Operation::REPLY) {
            Target::Reply(self.reply_slot())
        } else if special == 0 {
            Target::Object(self.index())
        } else {
            Target::CallingThread
        }
    }

    /// The reply slot that an open wait with this selector fills, or a reply uses.
    pub const fn reply_slot(self) -> ReplySlot {
        if self.0 & (Self::INVALID_BIT | Self::REPLY_BIT) == Self::REPLY_BIT {
            ReplySlot::Explicit(self.index())
        } else {
            ReplySlot::Implicit
        }
    }
}

impl core::fmt::Debug for Selector {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(formatter, "Selector({:#x})", self.0)
    }
}

/// What a selector and the operation's reply flag name together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The capability in this slot of the caller's object space.
    Object(u64),
    /// A reply capability of the caller.
    Reply(ReplySlot),
    /// The calling thread itself, with the rights W and S.
    CallingThread,
}

/// Where a reply capability lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplySlot {
    /// The one that each thread has.
    Implicit,
    /// A slot of the task's reply space.
    Explicit(u64),
}

/// Slots of an object space; higher indexes read as empty and cannot be filled.
pub const OBJECT_SPACE_SLOTS: u64 = 0x1_0000;
/// Order that stands for a whole object space.
pub const OBJECT_SPACE_ORDER: u32 = 20;

/// Slots that the kernel fills for sigma0 and the root task.
pub mod slot {
    /// The own task.
    pub const TASK: u64 = 1;
    /// The factory (kernel memory quota).
    pub const FACTORY: u64 = 2;
    /// The first thread.
    pub const THREAD: u64 = 3;
    /// The pager: in the root task the gate to sigma0, without the server right.
    pub const PAGER: u64 = 4;
    /// The log (Vlog or a log server).
    pub const LOG: u64 = 5;
    /// Interrupt controller and platform control.
    pub const ICU: u64 = 6;
    /// The scheduler.
    pub const SCHEDULER: u64 = 7;
    /// The I/O memory management unit, if there is one.
    pub const IOMMU: u64 = 8;
    /// The kernel debugger, if there is one.
    pub const DEBUGGER: u64 = 10;
    /// The SMC proxy, if there is one.
    pub const SMC: u64 = 11;
    /// First slot that the kernel leaves free.
    pub const FIRST_FREE: u64 = 12;
}

/// Label of the root task's gate to sigma0: client 4, shifted by four (`abi/07` §2).
pub const SIGMA0_ROOT_TASK_LABEL: u64 = 0x40;
