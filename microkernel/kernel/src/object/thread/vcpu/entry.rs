//! Entries: from what the thread did, to the vCPU's entry point.

use l4_abi::message_tag::MessageTag;
use l4_abi::vcpu::StateFlags;
use machine::vcpu::{VcpuArea, mark_virtual_interrupt};

use super::Parts;
use crate::cpu::Cpu;
use crate::ipc::{self, reply};
use crate::object::thread::{Deferred, Purpose, Thread, ThreadState, standing};
use crate::scheduling;

impl Thread {
    /// The fault in its frame enters the vCPU, if it takes such faults now.
    pub fn enter_with_fault(&self, cpu: &Cpu, kind: StateFlags) -> bool {
        let state = self.local(cpu);
        let Some(area) = state.vcpu.area(cpu) else {
            return false;
        };
        if !state.vcpu.in_user_task.get() && !area.state().contains(kind) {
            return false;
        }
        let save = || state.context.frame.save_to(&area.registers);
        self.enter(cpu, (state, area), cpu.loaded.is(self), save);
        true
    }

    /// The system call that the current thread made in its user task enters.
    pub fn enter_with_syscall(&self, cpu: &Cpu) {
        let state = self.local(cpu);
        if let Some(area) = state.vcpu.area(cpu) {
            let save = || (state.context.frame).save_syscall(cpu.block(), &area.registers);
            self.enter(cpu, (state, area), cpu.loaded.is(self), save);
        }
    }

    /// A message enters the vCPU, which must be ready for that; the next that
    /// is transferred to it.
    pub fn begin_upcall(&self, cpu: &Cpu) {
        let state = self.local(cpu);
        if let Some(area) = state.vcpu.area(cpu) {
            self.enter_for_message(cpu, (state, area));
            self.expect_upcall(cpu);
        }
    }

    /// The message of an interrupt enters the vCPU, if it takes messages now.
    pub fn enter_with_irq(&self, cpu: &Cpu, label: u64) -> bool {
        let Some((state, area)) = self.takes_upcall(cpu) else {
            return false;
        };
        self.enter_for_message(cpu, (state, area));
        area.set_tag(MessageTag::EMPTY);
        area.set_label(label);
        true
    }

    fn enter_for_message(&self, cpu: &Cpu, parts: Parts<'_>) {
        let save = || parts.0.context.frame.save_for_message(&parts.1.registers);
        self.enter(cpu, parts, cpu.loaded.is(self), save);
    }

    /// It has the registers of its entry, if it has put that off.
    pub fn finish_entry(&self, cpu: &Cpu) {
        if self.state(cpu).deferred.get() == Deferred::Entry {
            ipc::run_deferred(cpu, self);
        }
    }

    /// The same, when it is known.
    pub fn begin_entry(&self, cpu: &Cpu, state: &ThreadState) {
        if let Some(area) = state.vcpu.area(cpu) {
            go_on_at_entry(state, area, area.reserved_stack());
        }
    }

    /// The virtual CPU of the guest that it runs, if it does, has something to
    /// tell.
    pub fn enter_with_virtual_interrupt(&self, cpu: &Cpu, number: u16) {
        let state = self.local(cpu);
        if state.vcpu.in_user_task.get()
            && let Some(area) = state.vcpu.area(cpu)
        {
            let save = || {
                state.context.frame.save_for_message(&area.registers);
                mark_virtual_interrupt(&area.registers, number);
            };
            self.enter(cpu, (state, area), cpu.loaded.is(self), save);
        }
    }

    #[inline(always)]
    fn enter(&self, cpu: &Cpu, parts: Parts<'_>, is_loaded: bool, save: impl FnOnce()) {
        let modes = [is_loaded, parts.0.vcpu.is_in_user_task()];
        let stack = self.leave_for_entry(cpu, parts, modes, parts.1.state(), save);
        go_on_at_entry(&parts.0, parts.1, stack);
    }

    /// Leaves the mode that it is in, with its registers saved; the stack for
    /// the entry. Whether it is loaded, and in its user task; what its state was.
    #[inline(always)]
    pub(super) fn leave_for_entry(
        &self,
        cpu: &Cpu,
        (state, area): Parts<'_>,
        [is_loaded, is_in_user_task]: [bool; 2],
        flags: StateFlags,
        save: impl FnOnce(),
    ) -> u64 {
        area.set_saved_state(flags);
        area.set_state(flags.difference(StateFlags::ENTRY | StateFlags::USER_MODE));
        save();
        let stack = area.stack_after(flags);
        area.set_reserved_stack(stack);
        if is_in_user_task {
            state.vcpu.in_user_task.set(false);
            let chip = &cpu.kernel.platform.chip;
            (state.context).leave_user_task(cpu.block(), chip, area, is_loaded);
            let is_intercepted = state.is_alien.get() || state.context.is_privileged();
            standing::set_intercepted(cpu, state, is_intercepted);
            if state.vcpu.without_fpu.get() {
                state.vcpu.without_fpu.set(false);
                scheduling::fpu_access_changed(cpu, self);
            }
        }
        stack
    }

    /// The next message to it is an upcall's. Who calls can be answered
    /// through the implicit reply capability.
    pub(super) fn expect_upcall(&self, cpu: &Cpu) {
        let state = self.state(cpu);
        state.purpose.set(Purpose::Upcall);
        reply::expect_any(cpu, self);
    }
}

/// Lets the thread go on where entries begin.
pub(super) fn go_on_at_entry(state: &ThreadState, area: &VcpuArea, stack: u64) {
    let address = state.vcpu.address.get();
    let frame = &state.context.frame;
    frame.enter(area.entry_instruction(), stack, address);
}
