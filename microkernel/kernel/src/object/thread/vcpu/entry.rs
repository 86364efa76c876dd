//! Entries: from what the thread did, to the vCPU's entry point.

use l4_abi::message_tag::MessageTag;
use l4_abi::vcpu::StateFlags;
use machine::vcpu::{VcpuArea, mark_virtual_interrupt};

use crate::cpu::Cpu;
use crate::ipc::reply;
use crate::object::thread::{LocalState, Purpose, Standing, Thread, ThreadState, standing};
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
        let frame = &state.context.frame;
        let save = |area: &VcpuArea| frame.save_to(&area.registers);
        let stack = self.leave_for_entry(cpu, state, cpu.loaded.is(self), area, save);
        go_on_at_entry(&state, area, stack);
        true
    }

    /// A message enters the vCPU, which must be ready for that; the next that
    /// is transferred to it.
    pub fn begin_upcall(&self, cpu: &Cpu) {
        if self.leave_for_message(cpu).is_some() {
            self.expect_upcall(cpu);
        }
    }

    /// The message of an interrupt enters the vCPU, if it takes messages now.
    #[inline(never)]
    pub fn enter_with_irq(&self, cpu: &Cpu, label: u64) -> bool {
        let enters = self.takes_upcall(cpu);
        if enters && let Some(area) = self.leave_for_message(cpu) {
            area.set_tag(MessageTag::EMPTY);
            area.set_label(label);
        }
        enters
    }

    #[inline(always)]
    fn leave_for_message<'cpu>(&self, cpu: &'cpu Cpu) -> Option<&'cpu VcpuArea> {
        let state = self.local(cpu);
        let area = state.vcpu.area(cpu)?;
        let frame = &state.context.frame;
        let save = |area: &VcpuArea| frame.save_for_message(&area.registers);
        let stack = self.leave_for_entry(cpu, state, cpu.loaded.is(self), area, save);
        go_on_at_entry(&state, area, stack);
        Some(area)
    }

    /// The virtual CPU of the guest that it runs, if it does, has something to
    /// tell.
    pub fn enter_with_virtual_interrupt(&self, cpu: &Cpu, number: u16) {
        let state = self.local(cpu);
        if state.vcpu.in_user_task.get()
            && let Some(area) = state.vcpu.area(cpu)
        {
            let frame = &state.context.frame;
            let save = |area: &VcpuArea| {
                frame.save_for_message(&area.registers);
                mark_virtual_interrupt(&area.registers, number);
            };
            let stack = self.leave_for_entry(cpu, state, cpu.loaded.is(self), area, save);
            go_on_at_entry(&state, area, stack);
        }
    }

    /// Leaves the mode that it is in, with its registers saved; the stack for
    /// the entry.
    #[inline]
    pub(super) fn leave_for_entry(
        &self,
        cpu: &Cpu,
        state: LocalState<'_>,
        is_loaded: bool,
        area: &VcpuArea,
        save: impl FnOnce(&VcpuArea),
    ) -> u64 {
        let was_in_user_task = state.vcpu.in_user_task.replace(false);
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
        if was_in_user_task {
            let standing = match state.is_alien.get() {
                true => Standing::Intercepted,
                false => Standing::Plain,
            };
            standing::set(cpu, state, standing);
            if state.vcpu.without_fpu.get() {
                state.vcpu.without_fpu.set(false);
                scheduling::fpu_access_changed(cpu, self);
            }
            let chip = &cpu.kernel.platform.chip;
            (state.context).leave_user_task(cpu.block(), chip, area, is_loaded);
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
#[inline]
pub(super) fn go_on_at_entry(state: &ThreadState, area: &VcpuArea, stack: u64) {
    let address = state.vcpu.address.get();
    let frame = &state.context.frame;
    frame.enter(area.entry_instruction(), stack, address);
}
