//! The ways that the kernel of a guest goes most often: a resume to the user
//! task or the virtual machine that it went to before, and back with a system
//! call of that. They do what [`syscall`](crate::syscall) would, in a straight
//! line.

use l4_abi::capability::Selector;
use l4_abi::message_tag::MessageTag;
use l4_abi::operation::{Destination, Operation};
use l4_abi::protocol::label;
use l4_abi::protocol::thread::Opcode;
use l4_abi::vcpu::{StateFlags, UserTaskChange};
use machine::per_cpu::ShortWay;
use machine::vcpu::VcpuArea;

use crate::cpu::Cpu;
use crate::object::Outcome;
use crate::object::thread::ThreadState;

/// Performs the system call of the current thread, if it is a vCPU and no
/// other thread could run.
#[inline]
pub fn syscall(cpu: &Cpu) -> ShortWay {
    let Some(thread) = cpu.current.get(cpu) else {
        return ShortWay::Nowhere;
    };
    let state = thread.state(cpu);
    let Some(area) = state.vcpu.area(cpu) else {
        return ShortWay::Nowhere;
    };
    if cpu.reschedule.get() {
        return ShortWay::Nowhere;
    }
    if state.vcpu.is_in_user_task() {
        let frame = &state.context.frame;
        frame.rewind_syscall();
        frame.mark_syscall_exception();
        thread.enter(cpu, state, area, |area| frame.save_to(&area.registers));
    } else {
        let Some(flags) = flags_to_resume(state, area, cpu) else {
            return ShortWay::Nowhere;
        };
        match state.vcpu.user_task.get(cpu) {
            Some(task) if task.memory.is_guest() => {
                let result = thread.run_guest(cpu, state, area, flags, task);
                if let Ok(Outcome::Reply(tag)) = result {
                    state.context.frame.set_tag(tag.raw());
                    return ShortWay::ToTheEnd;
                }
                // It has to pause, or comes to the same end once more.
                return if cpu.paused.get() {
                    ShortWay::ToTheExit
                } else {
                    ShortWay::Nowhere
                };
            }
            Some(_) => thread.go_to_user_task(cpu, state, area, flags),
            None => return ShortWay::Nowhere,
        }
    }
    cpu.space.load(cpu, thread.running_task(cpu));
    ShortWay::ToTheEnd
}

/// With which flags the vCPU goes on in user mode, if this is a resume that
/// does nothing else.
#[inline]
fn flags_to_resume(state: &ThreadState, area: &VcpuArea, cpu: &Cpu) -> Option<StateFlags> {
    const REQUEST: MessageTag = MessageTag::words_only(label::THREAD, 1);
    const OWN: Destination = Destination::new(Selector::INVALID, Operation::CALL);
    let frame = &state.context.frame;
    let flags = area.saved_state();
    let is_plain = frame.tag() == REQUEST.raw()
        && frame.destination() == OWN.raw()
        && (state.utcb.get())
            .is_some_and(|utcb| utcb.get(cpu).word(0) == Opcode::VcpuResume.word())
        && area.user_task().change() == UserTaskChange::Keep
        && flags.contains(StateFlags::USER_MODE)
        && !(flags.contains(StateFlags::IRQ) && area.is_irq_pending())
        && !state.intercepts_syscalls.get();
    is_plain.then_some(flags)
}
