//! Thread: its task and pager, its registers, its messages.

use l4_abi::capability::Selector;
use l4_abi::item::MapItem;
use l4_abi::protocol::label;
use l4_abi::protocol::thread::{ControlFlags, EX_REGS_KEEP, ExRegsFlags, Opcode};
use l4_abi::rights::CapabilityRights;

use super::{Irq, Task};
use crate::ipc::invoke;
use crate::{Cap, Object, Result, Utcb};

crate::object! {
    /// A thread.
    pub struct Thread;
}

/// What [`Thread::control`] changes; the rest stays.
#[derive(Clone, Copy, Debug, Default)]
pub struct Control {
    /// Pager: a slot **of the thread's own task**.
    pub pager: Option<Selector>,
    /// Exception handler: a slot of the thread's own task.
    pub exception_handler: Option<Selector>,
    /// Bind to this task, with the UTCB at this address. Once only.
    pub bind: Option<(Cap<Task>, usize)>,
    /// Whether system calls raise exceptions first.
    pub alien: Option<bool>,
}

/// Instruction pointer, stack pointer and flags as [`Thread::ex_regs`] exchanges them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registers {
    /// x86_64: RFLAGS. aarch64: exception level.
    pub flags: u64,
    /// Instruction pointer.
    pub instruction_pointer: u64,
    /// Stack pointer.
    pub stack_pointer: u64,
}

impl Thread {
    /// The calling thread, whatever its slot.
    pub const SELF: Self = Self(Selector::INVALID);
    /// No thread: the slot that is always empty.
    pub const NONE: Cap<Self> = Cap::from_object(Self(Selector::new(0)));

    /// Sets pager and exception handler, binds to a task. Needs the S right.
    ///
    /// # Errors
    /// EINVAL if the thread is bound already, or the UTCB is not in kernel-user memory of the task.
    #[inline(always)]
    pub fn control(&self, control: Control) -> Result<()> {
        let mut words = [Opcode::Control.word(), 0, 0, 0, 0, 0];
        let mut item = [MapItem::capability(0, CapabilityRights::empty())];
        let mut items = &item[..0];
        if let Some(pager) = control.pager {
            words[0] |= ControlFlags::SET_PAGER.bits();
            words[1] = pager.raw();
        }
        if let Some(handler) = control.exception_handler {
            words[0] |= ControlFlags::SET_EXCEPTION_HANDLER.bits();
            words[2] = handler.raw();
        }
        if let Some(alien) = control.alien {
            words[0] |= ControlFlags::ALIEN.bits();
            words[4] = if alien { ControlFlags::ALIEN.bits() } else { 0 };
        }
        if let Some((task, utcb)) = control.bind {
            words[0] |= ControlFlags::BIND_TASK.bits();
            words[5] = utcb as u64;
            item[0] = task.pass(CapabilityRights::RWS).item();
            items = &item;
        }
        invoke(self.selector(), label::THREAD, &words, items).map(|_| ())
    }

    /// Sets instruction and stack pointer (`None` keeps them), starts a new thread; the old values.
    ///
    /// The thread runs once it also has a priority, see [`Scheduler`](super::Scheduler).
    pub fn ex_regs(
        &self,
        instruction_pointer: Option<u64>,
        stack_pointer: Option<u64>,
        flags: ExRegsFlags,
    ) -> Result<Registers> {
        let words = [
            Opcode::ExRegs.word() | flags.bits(),
            instruction_pointer.unwrap_or(EX_REGS_KEEP),
            stack_pointer.unwrap_or(EX_REGS_KEEP),
        ];
        invoke(self.selector(), label::THREAD, &words, &[])?;
        let utcb = Utcb::current();
        Ok(Registers {
            flags: utcb.message(0),
            instruction_pointer: utcb.message(1),
            stack_pointer: utcb.message(2),
        })
    }

    /// Triggers `irq` whenever an IPC gate that is bound to this thread is destroyed.
    pub fn register_deletion_irq(&self, irq: Cap<Irq>) -> Result<()> {
        let irq = irq.pass(CapabilityRights::RWS).item();
        let words = [Opcode::RegisterDeletionIrq.word()];
        invoke(self.selector(), label::THREAD, &words, &[irq]).map(|_| ())
    }

    /// Makes the thread a vCPU with its state at `address` in kernel-user memory, extended by that of
    /// a virtual machine.
    ///
    /// # Errors
    /// ENOSYS without hardware support.
    pub fn vcpu_control_extended(&self, address: u64) -> Result<()> {
        let opcode = Opcode::VcpuControl.word() | l4_abi::protocol::thread::VCPU_EXTENDED;
        invoke(self.selector(), label::THREAD, &[opcode, address], &[]).map(|_| ())
    }
}
