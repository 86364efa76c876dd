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
use machine::vcpu::VcpuArea;

use crate::cpu::Cpu;
use crate::object::Outcome;
use crate::object::thread::ThreadState;

/// Performs the system call of the current thread, if it is a vCPU and no
/// other thread could run. False: it is still to be done.
#[inline]
pub fn syscall(cpu: &Cpu) -> bool {
    let Some(thread) = cpu.current.get(cpu) else {
        return false;
    };
    let state = thread.state(cpu);
    let Some(area) = state.vcpu.area(cpu) else {
        return false;
    };
    if cpu.reschedule.get() {
        return false;
    }
    if state.vcpu.is_in_user_task() {
        let frame = &state.context.frame;
        frame.rewind_syscall();
        frame.mark_syscall_exception();
        thread.enter(cpu, state, area, |area| frame.save_to(&area.registers));
    } else {
        let Some(flags) = flags_to_resume(state, area, cpu) else {
            return false;
        };
        match state.vcpu.user_task.get(cpu) {
            Some(task) if task.memory.is_guest() => {
                match thread.run_guest(cpu, state, area, flags, task) {
                    Ok(Outcome::Reply(tag)) => state.context.frame.set_tag(tag.raw()),
                    Ok(_) => {}
                    // It comes to the same end once more.
                    Err(_) => return false,
                }
                return true;
            }
            Some(_) => thread.go_to_user_task(cpu, state, area, flags),
            None => return false,
        }
    }
    cpu.space.load(cpu, thread.running_task(cpu));
    true
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
