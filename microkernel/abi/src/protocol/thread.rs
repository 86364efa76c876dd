//! Thread: its pager, registers, vCPU state.
//!
//! Word 0 holds the operation in bits 15..0 and flags above.
//!
//! Source: `abi/05` (Thread).

use crate::flags::flags;

/// Bits of word 0 that are the operation.
pub const OPCODE_MASK: u64 = 0xffff;

opcodes! {
    /// Operations, word 0 bits 15..0. Numbers from 0x10 on depend on the architecture.
    pub enum Opcode {
        /// Set pager and exception handler, bind to a task. Needs S.
        Control = 0,
        /// Set instruction and stack pointer, start, cancel.
        ExRegs = 1,
        /// Give the processor to the thread.
        SwitchTo = 2,
        /// Time that the thread has run.
        StatsTime = 3,
        /// Resume the vCPU; only on the own thread.
        VcpuResume = 4,
        /// Trigger an interrupt when a gate bound to the thread is deleted: item.
        RegisterDeletionIrq = 5,
        /// Rewrite labels of queued messages: groups of four words.
        ModifySenders = 6,
        /// Make the thread a vCPU: address of the state.
        VcpuControl = 7,
        /// aarch64: doorbell for directly injected interrupts: item.
        RegisterDoorbellIrq = 8,
        /// Page-fault trampoline: sub operation in bits 31..16.
        PageFaultTrampoline = 9,
    }
}

opcodes! {
    /// Further operations on x86_64.
    pub enum OpcodeX86 {
        /// Set or query the thread's GDT entries.
        Gdt = 0x10,
        /// Set FS or GS base; which one is in bits 31..16.
        SetSegmentBase = 0x12,
        /// The kernel's user segments.
        SegmentInfo = 0x13,
    }
}

opcodes! {
    /// Further operations on aarch64.
    pub enum OpcodeArm {
        /// Set TPIDRRO_EL0.
        SetTpidrro = 0x10,
    }
}

flags! {
    /// Flags of [`Opcode::Control`] in word 0.
    pub struct ControlFlags: u64 {
        /// Word 1 is the pager.
        const SET_PAGER = 0x1_0000;
        /// The item is the task, word 5 the UTCB.
        const BIND_TASK = 0x20_0000;
        /// Word 4 says whether the thread is an alien.
        const ALIEN = 0x40_0000;
        /// Word 2 is the exception handler.
        const SET_EXCEPTION_HANDLER = 0x100_0000;
    }
}

/// Words of a [`Opcode::Control`] request; the item follows.
pub const CONTROL_WORDS: usize = 6;

/// Words of a [`Opcode::Control`] request and of its answer.
pub mod control_word {
    /// Pager, a selector; old one in the answer.
    pub const PAGER: usize = 1;
    /// Exception handler, a selector; old one in the answer.
    pub const EXCEPTION_HANDLER: usize = 2;
    /// Values of flags.
    pub const FLAG_VALUES: usize = 4;
    /// User address of the UTCB.
    pub const UTCB: usize = 5;
}

/// Words of the answer to [`Opcode::Control`].
pub const CONTROL_REPLY_WORDS: usize = 3;
/// Pager and handler of a thread that never got one, as the answer shows it.
pub const NO_HANDLER: u64 = !0 << 12;

flags! {
    /// Flags of [`Opcode::ExRegs`] in word 0.
    pub struct ExRegsFlags: u64 {
        /// Cancel a pending IPC.
        const CANCEL = 0x1_0000;
        /// Raise an exception before the next user instruction.
        const TRIGGER_EXCEPTION = 0x2_0000;
    }
}

/// Bits of [`ExRegsFlags`] that are the architecture's.
pub const EX_REGS_ARCHITECTURE_MASK: u64 = 0xff00_0000;
/// Words of a [`Opcode::ExRegs`] request and answer: flags, instruction and stack pointer.
pub const EX_REGS_WORDS: usize = 3;
/// Instruction or stack pointer that stays as it is.
pub const EX_REGS_KEEP: u64 = !0;

/// Flag of [`Opcode::VcpuControl`] in word 0: an extended vCPU.
pub const VCPU_EXTENDED: u64 = 0x1_0000;

/// One rule of [`Opcode::ModifySenders`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderRule {
    /// Bits of the label that are compared.
    pub match_mask: u64,
    /// What they must be.
    pub match_value: u64,
    /// Bits to clear.
    pub clear: u64,
    /// Bits to set then.
    pub add: u64,
}

impl SenderRule {
    /// Words of a rule.
    pub const WORDS: usize = 4;

    /// The rewritten label, or `None` if the rule does not match.
    pub const fn apply(self, label: u64) -> Option<u64> {
        if label & self.match_mask == self.match_value {
            Some(label & !self.clear | self.add)
        } else {
            None
        }
    }
}

opcodes! {
    /// Sub operations of [`Opcode::PageFaultTrampoline`], word 0 bits 31..16.
    pub enum TrampolineOpcode {
        /// Word 1 is the address of the state: enable once.
        Setup = 0,
        /// Continue the interrupted code; only on the own thread.
        Resume = 1,
        /// Raise the original fault; only on the own thread.
        Reflect = 2,
        /// Disable; answers whether it was enabled.
        Disable = 3,
        /// Enable again.
        Enable = 4,
    }
}

/// State of a page-fault trampoline, in words of kernel-user memory.
pub mod trampoline_word {
    /// Where the thread continues at a fault.
    pub const HANDLER: usize = 0;
    /// Two words of the user's own.
    pub const USER_DATA: usize = 1;
    /// Message register 0 at the fault.
    pub const SAVED_MESSAGE: usize = 3;
    /// [`IN_PROGRESS`](super::TRAMPOLINE_IN_PROGRESS) and
    /// [`RAISE`](super::TRAMPOLINE_RAISE).
    pub const FLAGS: usize = 4;
    /// Registers at the fault, the trap part of an exception frame.
    pub const FRAME: usize = 5;
}

/// Flag of a trampoline: a fault is being handled.
pub const TRAMPOLINE_IN_PROGRESS: u64 = 1;
/// Flag of a trampoline: raise an exception after the resume.
pub const TRAMPOLINE_RAISE: u64 = 2;

opcodes! {
    /// Segment of [`OpcodeX86::SetSegmentBase`], word 0 bits 31..16.
    pub enum SegmentBase {
        /// FS.
        Fs = 0,
        /// GS.
        Gs = 1,
    }
}
