//! Which messages enter, and which wait.

use l4_abi::error::IpcError;
use l4_abi::vcpu::StateFlags;

use super::Parts;
use crate::cpu::Cpu;
use crate::ipc::{self, finish};
use crate::object::thread::{Deferred, Life, LocalState, Source, Thread, Waiting};

impl Thread {
    /// Its parts, if a message can enter right now: it
    /// takes them, and its registers are those of user mode.
    pub fn takes_upcall<'cpu>(&'cpu self, cpu: &'cpu Cpu) -> Option<Parts<'cpu>> {
        match cpu.current.is(self) && !cpu.in_errands.get() {
            true => None,
            false => would_take_upcall(cpu, self.local(cpu)),
        }
    }

    /// Somebody has queued at it. The current thread may be in the middle of
    /// an operation, so a message enters it when that is over.
    pub fn sender_came(&self, cpu: &Cpu) {
        let state = self.state(cpu);
        let Some(area) = state.vcpu.area(cpu) else {
            return;
        };
        area.set_irq_pending(true);
        if cpu.current.is(self) && would_take_upcall(cpu, self.local(cpu)).is_some() {
            state.deferred.set(Deferred::Upcall);
            cpu.reschedule.set(true);
        }
    }

    /// Somebody who was queued at it is not any more.
    pub fn sender_left(&self, cpu: &Cpu) {
        let state = self.state(cpu);
        if let Some(area) = state.vcpu.area(cpu)
            && self.mailbox.is_empty()
        {
            area.set_irq_pending(false);
        }
    }

    /// The upcall that was put off.
    pub fn take_upcall(&self, cpu: &Cpu) {
        if !self.mailbox.is_empty() && would_take_upcall(cpu, self.local(cpu)).is_some() {
            self.begin_upcall(cpu);
            self.take_any(cpu);
        }
    }

    /// Takes the first message that waits, into the vCPU's state; if its items
    /// take long, some of it later. It may be gone already: that reads as a wait
    /// that is over.
    pub(super) fn take_any(&self, cpu: &Cpu) {
        if !ipc::take_queued(cpu, self, Source::Anyone) {
            finish::failed(cpu, self, IpcError::RECEIVE_TIMEOUT);
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

    /// The report is over: who has come meanwhile enters when the thread goes on.
    pub fn release_messages(&self, cpu: &Cpu) {
        let state = self.state(cpu);
        if state.vcpu.holds_messages.replace(false)
            && let Some(area) = state.vcpu.area(cpu)
        {
            area.set_state(area.state() | StateFlags::IRQ);
            if !self.mailbox.is_empty() {
                state.deferred.set(Deferred::Upcall);
                cpu.reschedule.set(true);
            }
        }
    }
}

/// The same, for the vCPU with this state, if that is in no system call.
#[inline(always)]
pub(super) fn would_take_upcall<'cpu>(
    cpu: &'cpu Cpu,
    state: LocalState<'cpu>,
) -> Option<Parts<'cpu>> {
    let area = state.vcpu.area(cpu)?;
    let takes = state.waiting.get() == Waiting::Nothing
        && state.deferred.get() == Deferred::Nothing
        && state.life.get() == Life::Alive
        && area.state().contains(StateFlags::IRQ);
    takes.then_some((state, area))
}
