//! The kernel's view of a vCPU's state (abi/06): kernel-user memory, as a
//! [`Utcb`](crate::utcb::Utcb) is, so every access is a relaxed atomic.
//!
//! Nothing here is believed: registers are made harmless when they are taken
//! over, and what the kernel must know for itself it keeps elsewhere.

use core::mem::offset_of;
use core::sync::atomic::{AtomicU16, AtomicU64, Ordering::Relaxed};

use l4_abi::arch::native::exception::{FRAME_WORDS, TRAP_FRAME_WORDS};
use l4_abi::arch::native::vcpu::{EXTENDED_SIZE, HostState, IpcRegisters, VERSION, VcpuState};
use l4_abi::message_tag::MessageTag;
use l4_abi::vcpu::{EXTENDED_INFO_OFFSET, StateFlags, StickyFlags, UserTask};

use crate::arch::vcpu::STACK_POINTER;
pub use crate::arch::vcpu::{mark_message, mark_virtual_interrupt};
use crate::memory::{Shared, SharedPointer};

const IPC_WORDS: usize = size_of::<IpcRegisters>() / 8;
const HOST_WORDS: usize = size_of::<HostState>() / 8;
const TAG: usize = offset_of!(IpcRegisters, tag) / 8;
const LABEL: usize = offset_of!(IpcRegisters, label) / 8;

/// The registers that entry code saves, in user memory.
pub type TrapRegisters = [AtomicU64; TRAP_FRAME_WORDS];
/// Those that belong to the thread: segments or thread pointers.
pub(crate) type ThreadRegisters = [AtomicU64; FRAME_WORDS - TRAP_FRAME_WORDS];

/// The state that kernel and user share.
#[repr(C)]
pub struct VcpuArea {
    version: AtomicU64,
    user_data: [AtomicU64; 7],
    /// Of the interrupted code.
    pub registers: TrapRegisters,
    pub(crate) thread_registers: ThreadRegisters,
    ipc: [AtomicU64; IPC_WORDS],
    state: AtomicU16,
    saved_state: AtomicU16,
    sticky_flags: AtomicU16,
    reserved: AtomicU16,
    user_task: AtomicU64,
    entry_stack: AtomicU64,
    entry_instruction: AtomicU64,
    reserved_stack: AtomicU64,
    /// What the vCPU's kernel mode has besides.
    pub(crate) host: [AtomicU64; HOST_WORDS],
}

const _: () = {
    assert!(size_of::<VcpuArea>() == size_of::<VcpuState>());
    assert!(offset_of!(VcpuArea, registers) == offset_of!(VcpuState, registers));
    assert!(offset_of!(VcpuArea, ipc) == offset_of!(VcpuState, ipc));
    assert!(offset_of!(VcpuArea, state) == offset_of!(VcpuState, state));
    assert!(offset_of!(VcpuArea, user_task) == offset_of!(VcpuState, user_task));
    assert!(offset_of!(VcpuArea, host) == offset_of!(VcpuState, host));
};

// SAFETY: atomics only.
unsafe impl Shared for VcpuArea {}

/// Where the kernel finds a vCPU's state.
pub type VcpuPointer = SharedPointer<VcpuArea>;

/// The state of an extended vCPU: the basic state, and behind it what it has
/// to run a virtual machine. What that is only the architecture knows.
#[repr(C)]
pub struct ExtendedArea {
    /// The basic state.
    pub vcpu: VcpuArea,
    words: [AtomicU64; EXTENDED_SIZE / 8 - VCPU_WORDS],
}

const VCPU_WORDS: usize = size_of::<VcpuArea>() / 8;
const _: () = assert!(size_of::<ExtendedArea>() == EXTENDED_SIZE);

// SAFETY: atomics only.
unsafe impl Shared for ExtendedArea {}

/// Where the kernel finds an extended vCPU's state.
pub type ExtendedPointer = SharedPointer<ExtendedArea>;

impl ExtendedArea {
    /// Tells what the virtual machines of this kernel are like.
    #[allow(dead_code, reason = "not every architecture has something to tell")]
    pub(crate) fn set_info(&self, word: u64) {
        self.words::<EXTENDED_INFO_OFFSET>()[0].store(word, Relaxed);
    }

    /// The words from byte `OFFSET` on, which is behind the basic state.
    #[inline]
    #[allow(dead_code, reason = "not every machine has virtual machines yet")]
    pub(crate) fn words<const OFFSET: usize>(&self) -> &[AtomicU64] {
        &self.words[const { OFFSET / 8 - VCPU_WORDS }..]
    }
}

impl VcpuArea {
    /// Tells user mode which layout this is.
    pub fn set_version(&self) {
        self.version.store(VERSION, Relaxed);
    }

    /// What the vCPU takes now.
    #[inline]
    pub fn state(&self) -> StateFlags {
        StateFlags::from_bits_retain(self.state.load(Relaxed))
    }

    /// Sets it.
    #[inline]
    pub fn set_state(&self, flags: StateFlags) {
        self.state.store(flags.bits(), Relaxed);
    }

    /// What it took before the entry, and takes after the resume.
    #[inline]
    pub fn saved_state(&self) -> StateFlags {
        StateFlags::from_bits_retain(self.saved_state.load(Relaxed))
    }

    /// Sets it.
    #[inline]
    pub fn set_saved_state(&self, flags: StateFlags) {
        self.saved_state.store(flags.bits(), Relaxed);
    }

    /// True if user mode believes that senders are queued.
    #[inline]
    pub fn is_irq_pending(&self) -> bool {
        let flags = StickyFlags::from_bits_retain(self.sticky_flags.load(Relaxed));
        flags.contains(StickyFlags::IRQ_PENDING)
    }

    /// Tells whether senders are queued. User mode may change other flags.
    #[inline]
    pub fn set_irq_pending(&self, pending: bool) {
        let flag = StickyFlags::IRQ_PENDING.bits();
        if pending {
            self.sticky_flags.fetch_or(flag, Relaxed);
        } else {
            self.sticky_flags.fetch_and(!flag, Relaxed);
        }
    }

    /// The task in which the vCPU's user mode is to run.
    #[inline]
    pub fn user_task(&self) -> UserTask {
        UserTask::from_raw(self.user_task.load(Relaxed))
    }

    /// Sets it.
    #[inline]
    pub fn set_user_task(&self, task: UserTask) {
        self.user_task.store(task.raw(), Relaxed);
    }

    /// The stack for an entry from a mode with `flags`, of which the registers
    /// are saved here.
    #[inline]
    pub fn stack_after(&self, flags: StateFlags) -> u64 {
        match flags.contains(StateFlags::USER_MODE) {
            true => self.entry_stack.load(Relaxed),
            false => self.registers[STACK_POINTER].load(Relaxed),
        }
    }

    /// Where entries begin.
    #[inline]
    pub fn entry_instruction(&self) -> u64 {
        self.entry_instruction.load(Relaxed)
    }

    /// Tells which stack an entry uses.
    #[inline]
    pub fn set_reserved_stack(&self, stack: u64) {
        self.reserved_stack.store(stack, Relaxed);
    }

    /// What it tells.
    #[inline]
    pub fn reserved_stack(&self) -> u64 {
        self.reserved_stack.load(Relaxed)
    }

    /// Tells the tag of a message that entered.
    #[inline]
    pub fn set_tag(&self, tag: MessageTag) {
        self.ipc[TAG].store(tag.raw(), Relaxed);
    }

    /// The tag of the last message that entered.
    pub fn tag(&self) -> MessageTag {
        MessageTag::from_raw(self.ipc[TAG].load(Relaxed))
    }

    /// Tells the label of a message that entered.
    #[inline]
    pub fn set_label(&self, label: u64) {
        self.ipc[LABEL].store(label, Relaxed);
    }
}
