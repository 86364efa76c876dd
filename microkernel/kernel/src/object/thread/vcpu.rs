//! Virtual CPUs (abi/06 §1 to §4): a thread that takes faults and messages as
//! a CPU takes exceptions and interrupts, and that runs code of another task,
//! its *user task*, until the next of them.
//!
//! User mode shares the [`VcpuArea`] and may write anything to it. So what
//! the kernel relies on is here: whether the thread is in its user task, and
//! which task that is.

use core::cell::Cell;

use l4_abi::error::{IpcError, ResultCode};
use l4_abi::flexpage::{Flexpage, Space};
use l4_abi::item::{ITEM_WORDS, SendItem};
use l4_abi::rights::CapabilityRights;
use l4_abi::utcb::MESSAGE_REGISTERS;
use l4_abi::vcpu::{StateFlags, UserTaskChange};
use machine::vcpu::{VcpuArea, VcpuPointer, mark_message};

use super::{Deferred, Life, Purpose, Source, Thread, Waiting};
use crate::capability;
use crate::cpu::Cpu;
use crate::ipc::{self, finish, reply};
use crate::object::ipc_gate::reference;
use crate::object::task::{self, Task};
use crate::object::{Invocation, OperationResult, Outcome, RefSlot};
use crate::scheduling;

/// Bit of the first message word that asks for an extended vCPU, which can
/// run virtual machines.
const EXTENDED: u64 = 0x1_0000;

/// What makes a thread a vCPU.
pub struct Vcpu {
    area: Cell<Option<VcpuPointer>>,
    /// Where user mode finds the area.
    address: Cell<u64>,
    /// Whose address space its user mode has.
    user_task: RefSlot<Task>,
    /// It is in its user task.
    in_user_task: Cell<bool>,
    /// It must not use the FPU there.
    without_fpu: Cell<bool>,
    /// It takes messages again after the fault that is being reported.
    holds_messages: Cell<bool>,
}

impl Vcpu {
    /// Not a vCPU.
    pub const fn new() -> Self {
        Self {
            area: Cell::new(None),
            address: Cell::new(0),
            user_task: RefSlot::empty(),
            in_user_task: Cell::new(false),
            without_fpu: Cell::new(false),
            holds_messages: Cell::new(false),
        }
    }

    /// True if the thread is in its user task.
    #[inline]
    pub fn is_in_user_task(&self) -> bool {
        self.in_user_task.get()
    }

    /// The task that its user mode runs in.
    pub fn user_task(&self) -> &RefSlot<Task> {
        &self.user_task
    }

    /// The thread is dead.
    pub fn release(&self) {
        self.area.set(None);
        self.in_user_task.set(false);
        self.user_task.replace(None);
    }

    #[inline]
    fn area<'cpu>(&self, cpu: &'cpu Cpu) -> Option<&'cpu VcpuArea> {
        self.area.get().map(|area| area.get(cpu))
    }
}

impl Default for Vcpu {
    fn default() -> Self {
        Self::new()
    }
}

// The operations.

impl Thread {
    /// Makes it a vCPU for good, or moves the state of one.
    pub(super) fn control_vcpu(&self, call: &Invocation<'_>) -> OperationResult {
        if call.word(0) & EXTENDED != 0 {
            return Err(ResultCode::ENOSYS.into());
        }
        call.require_words(2, ResultCode::EINVAL)?;
        let (cpu, address) = (call.cpu, call.word(1));
        let area = self
            .task(cpu)
            .filter(|_| address != 0)
            .and_then(|task| task.memory.find_shared(cpu, address))
            .ok_or(ResultCode::EINVAL)?;
        let state = self.state(cpu);
        state.vcpu.area.set(Some(area));
        state.vcpu.address.set(address);
        let area = area.get(cpu);
        area.set_version();
        state.context.begin_vcpu(area);
        if !state.senders.is_empty() || !state.irqs.is_empty() {
            area.set_irq_pending(true);
        }
        Ok(Outcome::OK)
    }

    /// Goes on where the vCPU was interrupted, or elsewhere, in its own or in
    /// the user task.
    pub(super) fn resume_vcpu(&self, call: &Invocation<'_>) -> OperationResult {
        let cpu = call.cpu;
        let state = self.state(cpu);
        let area = state
            .vcpu
            .area(cpu)
            .filter(|_| core::ptr::eq(self, call.caller))
            .ok_or(ResultCode::EINVAL)?;
        self.change_user_task(call, area)?;
        if call.tag.items() > 0
            && let Some(task) = state.vcpu.user_task.get(cpu)
        {
            map_items(call, task)?;
        }
        let flags = area.saved_state();
        if flags.contains(StateFlags::IRQ) && area.is_irq_pending() {
            self.take_pending(cpu, area, flags);
            return Ok(Outcome::Done);
        }
        area.set_state(flags);
        if flags.contains(StateFlags::USER_MODE) {
            if state.vcpu.user_task.is_empty() {
                return Err(ResultCode::ENOENT.into());
            }
            area.set_state(flags | StateFlags::ENTRY);
            state.vcpu.in_user_task.set(true);
            state.intercepts_syscalls.set(true);
            let with_fpu = flags.contains(StateFlags::FPU_ENABLED);
            if state.vcpu.without_fpu.replace(!with_fpu) == with_fpu {
                scheduling::fpu_access_changed(cpu, self);
            }
            let is_loaded = cpu.loaded.is(self);
            state.context.enter_user_task(cpu.block(), area, is_loaded);
        }
        state.context.frame.load_from(&area.registers);
        Ok(Outcome::Done)
    }

    fn change_user_task(
        &self,
        call: &Invocation<'_>,
        area: &VcpuArea,
    ) -> Result<(), crate::object::Fail> {
        let slot = &self.state(call.cpu).vcpu.user_task;
        let wish = area.user_task();
        match wish.change() {
            UserTaskChange::Keep => {}
            UserTaskChange::Drop => drop(slot.replace(None)),
            UserTaskChange::LookUp(index) => {
                let entry = call.task.capabilities.lookup(call.cpu, index);
                let task = match entry {
                    Some(entry) if entry.object.downcast::<Task>().is_some() => {
                        if !entry.rights.contains(CapabilityRights::SPECIAL) {
                            return Err(ResultCode::EPERM.into());
                        }
                        Some(reference(entry.object)?)
                    }
                    _ => None,
                };
                slot.replace(task);
                area.set_user_task(wish.cached());
            }
        }
        Ok(())
    }

    /// At a resume: enters again, with the message of a queued sender, or
    /// with an error if there is none.
    fn take_pending(&self, cpu: &Cpu, area: &VcpuArea, flags: StateFlags) {
        self.expect_upcall(cpu);
        if !ipc::take_queued(cpu, self, Source::Anyone) {
            finish::failed(cpu, self, IpcError::RECEIVE_TIMEOUT);
        }
        mark_message(&area.registers);
        let stack = if flags.contains(StateFlags::USER_MODE) {
            area.entry_stack()
        } else {
            area.interrupted_stack()
        };
        self.go_on_at_entry(cpu, area, stack);
    }
}

/// Maps the items of a resume to the user task (abi/06 §4).
fn map_items(call: &Invocation<'_>, destination: &Task) -> Result<(), crate::object::Fail> {
    for index in 0..call.tag.items() {
        let at = call.tag.words() + index * ITEM_WORDS;
        if at + 1 >= MESSAGE_REGISTERS {
            return Err(IpcError::SEND_OVERFLOW.into());
        }
        if destination.memory.is_closed() {
            return Err(ResultCode::ENOENT.into());
        }
        let (control, flexpage) = (call.word(at), call.word(at + 1));
        if control == 0 {
            continue;
        }
        let Ok(SendItem::Map(item)) = SendItem::decode(control | 8, flexpage) else {
            continue;
        };
        let (cpu, source, window) = (call.cpu, call.task, Flexpage::ALL_SPACES);
        match item.space {
            Space::Object => capability::map(cpu, source, destination, item, window, true),
            Space::Memory | Space::IoPort => task::map(cpu, source, destination, item, window),
        }
        .map_err(|_| IpcError::SEND_MAP_FAILED)?;
    }
    Ok(())
}

// Entries.

impl Thread {
    /// The fault in its frame enters the vCPU, if it takes such faults now.
    pub fn enter_with_fault(&self, cpu: &Cpu, kind: StateFlags) -> bool {
        let vcpu = &self.state(cpu).vcpu;
        let Some(area) = vcpu.area(cpu) else {
            return false;
        };
        if !vcpu.in_user_task.get() && !area.state().contains(kind) {
            return false;
        }
        let frame = &self.state(cpu).context.frame;
        self.enter(cpu, area, |area| frame.save_to(&area.registers));
        true
    }

    /// A message enters the vCPU, which must be ready for that; the next that
    /// is transferred to it.
    pub fn begin_upcall(&self, cpu: &Cpu) {
        let state = self.state(cpu);
        let Some(area) = state.vcpu.area(cpu) else {
            return;
        };
        let frame = &state.context.frame;
        self.enter(cpu, area, |area| frame.save_for_message(&area.registers));
        self.expect_upcall(cpu);
    }

    fn enter(&self, cpu: &Cpu, area: &VcpuArea, save: impl FnOnce(&VcpuArea)) {
        let state = self.state(cpu);
        let flags = area.state();
        area.set_saved_state(flags);
        area.set_state(flags.difference(StateFlags::ENTRY | StateFlags::USER_MODE));
        let stack = if flags.contains(StateFlags::USER_MODE) {
            area.entry_stack()
        } else {
            state.context.frame.sp()
        };
        area.set_reserved_stack(stack);
        save(area);
        if state.vcpu.in_user_task.replace(false) {
            state.intercepts_syscalls.set(state.alien.get());
            if state.vcpu.without_fpu.replace(false) {
                scheduling::fpu_access_changed(cpu, self);
            }
            let is_loaded = cpu.loaded.is(self);
            state.context.leave_user_task(cpu.block(), area, is_loaded);
        }
        self.go_on_at_entry(cpu, area, stack);
    }

    fn go_on_at_entry(&self, cpu: &Cpu, area: &VcpuArea, stack: u64) {
        let state = self.state(cpu);
        let frame = &state.context.frame;
        frame.enter(area.entry_instruction(), stack, state.vcpu.address.get());
    }

    /// The next message to it is an upcall's. Who calls can be answered
    /// through the implicit reply capability.
    fn expect_upcall(&self, cpu: &Cpu) {
        let state = self.state(cpu);
        state.purpose.set(Purpose::Upcall);
        reply::use_implicit_place(cpu, self);
    }

    /// The state that user mode sees, for who finishes an upcall.
    #[inline]
    pub fn vcpu_area<'cpu>(&self, cpu: &'cpu Cpu) -> Option<&'cpu VcpuArea> {
        self.state(cpu).vcpu.area(cpu)
    }
}

// Messages.

impl Thread {
    /// True if a message can enter right now: it takes them, and its
    /// registers are those of user mode.
    #[inline]
    pub fn takes_upcall(&self, cpu: &Cpu) -> bool {
        !cpu.current.is(self) && self.would_take_upcall(cpu)
    }

    fn would_take_upcall(&self, cpu: &Cpu) -> bool {
        let state = self.state(cpu);
        state.waiting.get() == Waiting::Nothing
            && state.deferred.get() == Deferred::Nothing
            && state.life.get() == Life::Alive
            && state
                .vcpu
                .area(cpu)
                .is_some_and(|area| area.state().contains(StateFlags::IRQ))
    }

    /// Somebody has queued at it. The current thread may be in the middle of
    /// an operation, so a message enters it when that is over.
    pub fn sender_came(&self, cpu: &Cpu) {
        let state = self.state(cpu);
        let Some(area) = state.vcpu.area(cpu) else {
            return;
        };
        area.set_irq_pending(true);
        if cpu.current.is(self) && self.would_take_upcall(cpu) {
            state.deferred.set(Deferred::Upcall);
            cpu.reschedule.set(true);
        }
    }

    /// Somebody who was queued at it is not any more.
    pub fn sender_left(&self, cpu: &Cpu) {
        let state = self.state(cpu);
        if let Some(area) = state.vcpu.area(cpu)
            && state.senders.is_empty()
            && state.irqs.is_empty()
        {
            area.set_irq_pending(false);
        }
    }

    /// The upcall that was put off.
    pub fn take_upcall(&self, cpu: &Cpu) {
        let state = self.state(cpu);
        let any = !state.senders.is_empty() || !state.irqs.is_empty();
        if any && self.would_take_upcall(cpu) {
            self.begin_upcall(cpu);
            ipc::take_queued(cpu, self, Source::Anyone);
        }
    }

    /// No message enters while a fault is reported to others.
    pub fn hold_messages(&self, cpu: &Cpu) {
        let vcpu = &self.state(cpu).vcpu;
        if let Some(area) = vcpu.area(cpu) {
            let flags = area.state();
            vcpu.holds_messages.set(flags.contains(StateFlags::IRQ));
            area.set_state(flags.difference(StateFlags::IRQ));
        }
    }

    /// The report is over.
    pub fn release_messages(&self, cpu: &Cpu) {
        let vcpu = &self.state(cpu).vcpu;
        if vcpu.holds_messages.replace(false)
            && let Some(area) = vcpu.area(cpu)
        {
            area.set_state(area.state() | StateFlags::IRQ);
        }
    }

    /// True if it may use the FPU in the mode that it is in.
    #[inline]
    pub fn may_use_fpu(&self, cpu: &Cpu) -> bool {
        !self.state(cpu).vcpu.without_fpu.get()
    }
}
