//! Guests of machines that have a mode for them which the kernel enters and
//! leaves as it likes (abi/06 §5): the resume runs the guest and returns.
//!
//! The guest's whole state is the user's, in the vCPU's extended state, from
//! one run to the next; so nothing of it needs to be kept when an interrupt
//! ends a run. The thread then goes back to its system call instruction, where
//! the interrupt is taken, and makes the same resume again.

use l4_abi::error::ResultCode;
use l4_abi::message_tag::MessageTag;
use l4_abi::vcpu::{RESUME_EXIT, RESUME_PENDING, StateFlags};
use machine::guest::{Exit, Guest};
use machine::paging::Root;
use machine::per_cpu::TaskAnswer;
use machine::vcpu::VcpuArea;
use machine::vm;

use crate::cpu::Cpu;
use crate::object::Fail;
use crate::object::task::Task;
use crate::object::thread::{Thread, ThreadState};
use crate::scheduling;

impl Thread {
    /// Runs the guest in `task`, with the flags of the saved state, until
    /// there is something for its VMM. This is the current thread, which has
    /// the answer, or does all of it again, when the kernel is left in this way.
    #[inline(never)]
    pub(super) fn run_guest(
        &self,
        cpu: &Cpu,
        state: &ThreadState,
        area: &VcpuArea,
        flags: StateFlags,
        task: &Task,
    ) -> Result<TaskAnswer, Fail> {
        debug_assert!(cpu.loaded.is(self));
        // As it is afterwards: nobody looks at it before.
        area.set_state(flags.difference(StateFlags::ENTRY | StateFlags::USER_MODE));
        let Some(extended) = state.vcpu.extended.get() else {
            return Err(ResultCode::EINVAL.into());
        };
        // The guest has the FPU registers of the thread.
        if !flags.contains(StateFlags::FPU_ENABLED) {
            return Err(ResultCode::EINVAL.into());
        }
        scheduling::give_fpu(cpu, self)?;
        let extended = extended.get(cpu);
        let space = task.memory.space();
        if area.is_irq_pending() {
            vm::mark_pending(cpu.block(), extended);
            return Ok(answer(state, RESUME_PENDING));
        }
        let guest = Guest {
            root: Root::new(space.root().as_u64()),
            residence: space.residence(),
            tlbs: &cpu.kernel.tlbs,
            vcpu: self.id,
            has_moved: state.vcpu.guest_cpu.replace(Some(cpu.id())) != Some(cpu.id()),
        };
        match vm::run(cpu.block(), extended, &guest) {
            Exit::Vmm => Ok(answer(state, RESUME_EXIT)),
            Exit::Invalid => Err(ResultCode::EINVAL.into()),
            Exit::Interrupt => {
                resume_again(state);
                Ok(TaskAnswer::TO_THE_EXIT)
            }
        }
    }
}

/// Lets the thread make its resume again, without the items, which have been mapped.
pub(super) fn resume_again(state: &ThreadState) {
    let frame = &state.context.frame;
    let tag = MessageTag::from_raw(frame.tag()).without_items();
    frame.set_tag(tag.raw());
    frame.rewind_syscall();
}

fn answer(state: &ThreadState, label: i64) -> TaskAnswer {
    let tag = MessageTag::label_only(label);
    state.context.frame.set_tag(tag.raw());
    TaskAnswer::new(tag)
}

#[cfg(test)]
mod tests;
