//! The operations: becoming a vCPU, and going on as one.

use l4_abi::error::{IpcError, ResultCode};
use l4_abi::flexpage::Flexpage;
use l4_abi::item::{ITEM_WORDS, SendItem};
use l4_abi::protocol::thread::VCPU_EXTENDED;
use l4_abi::rights::CapabilityRights;
use l4_abi::utcb::MESSAGE_REGISTERS;
use l4_abi::vcpu::{StateFlags, UserTaskChange};
use machine::vcpu::{VcpuArea, mark_message};
use machine::vm;

use super::Parts;
use super::entry::go_on_at_entry;
use super::guest::resume_again;
use crate::cpu::Cpu;
use crate::object::ipc_gate::reference;
use crate::object::task::{Mapping, Task};
use crate::object::thread::{Deferred, Life, Thread, standing};
use crate::object::{Fail, Invocation, OperationResult, Outcome};
use crate::scheduling;

impl Thread {
    /// Makes it a vCPU for good, or moves the state of one.
    #[inline(never)]
    pub fn control_vcpu(&self, call: &Invocation<'_>) -> OperationResult {
        let is_extended = call.word(0) & VCPU_EXTENDED != 0;
        if is_extended && !vm::is_supported(call.cpu.block()) {
            return Err(ResultCode::ENOSYS.into());
        }
        call.require_words(2, ResultCode::EINVAL)?;
        let (cpu, address) = (call.cpu, call.word(1));
        let memory = &self
            .task(cpu)
            // A dead one may be in it still, but not for as long as it has the state.
            .filter(|_| address != 0 && self.state(cpu).life.get() != Life::Dead)
            .ok_or(ResultCode::EINVAL)?
            .memory;
        let extended = match memory.find_shared(cpu, address) {
            None if is_extended => return Err(ResultCode::EINVAL.into()),
            extended => extended.filter(|_| is_extended),
        };
        let area = memory.find_shared(cpu, address).ok_or(ResultCode::EINVAL)?;
        let state = self.state(cpu);
        self.finish_entry(cpu);
        state.vcpu.area.set(Some(area));
        self.review(cpu);
        state.vcpu.extended.set(extended);
        state.vcpu.guest_cpu.set(None);
        let chip = &cpu.kernel.platform.chip;
        vm::begin(cpu.block(), chip, &state.context, extended);
        state.vcpu.address.set(address);
        let area = area.get(cpu);
        area.set_version();
        state.context.begin_vcpu(area);
        if !self.mailbox.is_empty() {
            area.set_irq_pending(true);
        }
        Ok(Outcome::OK)
    }

    /// Goes on where the vCPU was interrupted, or elsewhere, in its own or in
    /// the user task.
    #[inline(never)]
    pub fn resume_vcpu(&self, call: &Invocation<'_>) -> OperationResult {
        let cpu = call.cpu;
        let state = self.state(cpu);
        let area = state
            .vcpu
            .area(cpu)
            // One that has come to another CPU, for another thread that its slot named then, runs nothing here.
            .filter(|_| core::ptr::eq(self, call.caller) && cpu.current.is(self))
            .ok_or(ResultCode::EINVAL)?;
        self.change_user_task(call, area)?;
        if call.tag.items() > 0
            && let Some(task) = state.vcpu.user_task.get(cpu)
            && !self.map_items(call, task)?
        {
            return Ok(Outcome::DONE);
        }
        let flags = area.saved_state();
        if flags.contains(StateFlags::IRQ) && area.is_irq_pending() {
            self.take_pending(cpu, area, flags);
            return Ok(Outcome::DONE);
        }
        if !flags.contains(StateFlags::USER_MODE) {
            area.set_state(flags);
            state.context.frame.load_from(&area.registers);
        } else if let Some(task) = state.vcpu.user_task.get(cpu) {
            if task.memory.is_guest() {
                match scheduling::is_settled(cpu, self) {
                    true => drop(self.run_guest(cpu, state, area, flags, task)?),
                    // It had paused: the kernel is left first.
                    false => resume_again(state),
                }
                return Ok(Outcome::DONE);
            }
            self.prepare_user_task(cpu, (self.local(cpu), area), flags);
            let chip = &cpu.kernel.platform.chip;
            (state.context).enter_user_task(cpu.block(), chip, area, cpu.loaded.is(self));
        } else {
            area.set_state(flags);
            return Err(ResultCode::ENOENT.into());
        }
        Ok(Outcome::DONE)
    }

    /// Goes on in the user task, with the flags of the saved state, but for the
    /// registers. This is the current thread.
    #[inline(always)]
    pub(super) fn prepare_user_task(&self, cpu: &Cpu, (state, area): Parts<'_>, flags: StateFlags) {
        area.set_state(flags | StateFlags::ENTRY);
        state.vcpu.in_user_task.set(true);
        standing::set_intercepted(cpu, state, true);
        let with_fpu = flags.contains(StateFlags::FPU_ENABLED);
        if state.vcpu.without_fpu.get() == with_fpu {
            state.vcpu.without_fpu.set(!with_fpu);
            scheduling::fpu_access_changed(cpu, self);
        }
    }

    fn change_user_task(&self, call: &Invocation<'_>, area: &VcpuArea) -> Result<(), Fail> {
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
        self.take_any(cpu);
        mark_message(&area.registers);
        go_on_at_entry(self.state(cpu), area, area.stack_after(flags));
    }

    /// Maps the items of a resume to the user task (abi/06 §4). False if that
    /// pauses.
    fn map_items(&self, call: &Invocation<'_>, destination: &Task) -> Result<bool, Fail> {
        let cpu = call.cpu;
        let (words, items) = (call.tag.words(), call.tag.items());
        let paused = self.paused_item(cpu, self);
        for at in (words..).step_by(ITEM_WORDS).take(items) {
            if paused.is_some_and(|(paused, ..)| at < paused) {
                continue;
            }
            if at + 1 >= MESSAGE_REGISTERS {
                return Err(IpcError::SEND_OVERFLOW.into());
            }
            if destination.memory.is_closed() {
                return Err(ResultCode::ENOENT.into());
            }
            let (mapping, tasks) = match self.take_map(cpu, true) {
                Some(paused) => paused,
                None => {
                    let (control, flexpage) = (call.word(at), call.word(at + 1));
                    let item = match SendItem::decode(control | 8, flexpage) {
                        Ok(SendItem::Map(item)) if control != 0 => item,
                        _ => continue,
                    };
                    let tasks = [call.task, destination];
                    let mapping = Mapping::new(cpu, tasks, item, Flexpage::ALL_SPACES, true)
                        .map_err(|_| IpcError::SEND_MAP_FAILED)?;
                    let tasks = [&self.task, &self.state(cpu).vcpu.user_task];
                    let [Some(from), Some(to)] = tasks.map(|task| task.counted(cpu)) else {
                        return Err(ResultCode::ENOENT.into());
                    };
                    (mapping, [from, to])
                }
            };
            let headers = tasks.each_ref().map(|task| task.header());
            let item = Some((at, self, Flexpage::ALL_SPACES));
            let done = self.run_mapping(cpu, mapping, headers, item, Deferred::Syscall)?;
            if done.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
