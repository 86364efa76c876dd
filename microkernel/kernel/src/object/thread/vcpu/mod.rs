//! Virtual CPUs (abi/06 §1 to §4): a thread that takes faults and messages as
//! a CPU takes exceptions and interrupts, and that runs code of another task,
//! its *user task*, until the next of them. An *extended* vCPU can have a
//! virtual machine in the user task's place (`guest`).
//!
//! User mode shares the [`VcpuArea`] and may write anything to it. So what
//! the kernel relies on is here: whether the thread is in its user task, and
//! which task that is.

mod control;
mod entry;
#[cfg(feature = "fast-paths")]
pub mod fast;
mod guest;
mod message;
pub mod user_task;

use core::cell::Cell;

#[cfg(test)]
use machine::vcpu::ExtendedArea;
use machine::vcpu::{ExtendedPointer, VcpuArea, VcpuPointer};

use super::{LocalState, Thread};
use crate::cpu::Cpu;
use crate::object::RefSlot;
use crate::object::task::Task;

/// The state of a vCPU on this CPU: the kernel's, and what it shares.
pub type Parts<'cpu> = (LocalState<'cpu>, &'cpu VcpuArea);

/// What makes a thread a vCPU.
pub struct Vcpu {
    area: Cell<Option<VcpuPointer>>,
    /// The same, if the vCPU is extended.
    extended: Cell<Option<ExtendedPointer>>,
    /// The CPU on which it last ran a guest with this state.
    guest_cpu: Cell<Option<u32>>,
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
            extended: Cell::new(None),
            guest_cpu: Cell::new(None),
            address: Cell::new(0),
            user_task: RefSlot::empty(),
            in_user_task: Cell::new(false),
            without_fpu: Cell::new(false),
            holds_messages: Cell::new(false),
        }
    }

    /// True if the thread is a vCPU.
    pub fn is_one(&self) -> bool {
        self.area.get().is_some()
    }

    /// True if the thread is in its user task.
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
        self.extended.set(None);
        self.in_user_task.set(false);
        self.user_task.replace(None);
    }

    fn area<'cpu>(&self, cpu: &'cpu Cpu) -> Option<&'cpu VcpuArea> {
        self.area.get().map(|area| area.get(cpu))
    }
}

impl Thread {
    /// The state that user mode sees, if it is a vCPU.
    pub fn vcpu_area<'cpu>(&self, cpu: &'cpu Cpu) -> Option<&'cpu VcpuArea> {
        self.state(cpu).vcpu.area(cpu)
    }

    /// The state of its guest, if it is an extended vCPU.
    #[cfg(test)]
    pub(crate) fn guest_area<'cpu>(&self, cpu: &'cpu Cpu) -> Option<&'cpu ExtendedArea> {
        self.state(cpu)
            .vcpu
            .extended
            .get()
            .map(|area| area.get(cpu))
    }

    /// True if it may use the FPU in the mode that it is in.
    pub fn may_use_fpu(&self, cpu: &Cpu) -> bool {
        !self.state(cpu).vcpu.without_fpu.get()
    }
}

#[cfg(test)]
mod tests;
