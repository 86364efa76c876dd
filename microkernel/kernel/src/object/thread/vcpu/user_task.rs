//! The ways that the kernel of a guest goes most often: a resume to the user
//! task or the virtual machine that it went to before, and back with a system
//! call of that. They do what [`syscall`](crate::syscall) would, in a straight
//! line. Kernels without fast paths have them too: few lines make a virtual
//! machine's exits fast.

use l4_abi::protocol::thread::Opcode;
use l4_abi::vcpu::StateFlags;
use machine::per_cpu::{ShortWay, TaskAnswer};

use crate::cpu::Cpu;
use crate::object::thread::Thread;

/// A system call in the user task of `thread`, the current one, is an entry.
/// If it is in no user task, it is an alien.
#[inline(always)]
pub fn enter(cpu: &Cpu, thread: &Thread) -> ShortWay {
    debug_assert!(!cpu.reschedule.get() && cpu.loaded.is(thread));
    let state = thread.local(cpu);
    match state.vcpu.area(cpu) {
        Some(area) if state.vcpu.is_in_user_task() => {
            let frame = &state.context.frame;
            let save = || frame.save_syscall(cpu.block(), &area.registers);
            let stack =
                thread.leave_for_entry(cpu, (state, area), [true, true], area.state(), save);
            cpu.space.load(cpu, thread.task(cpu));
            frame.enter_at_once(area.entry_instruction(), stack, state.vcpu.address.get())
        }
        _ => ShortWay::Nowhere,
    }
}

/// Performs the resume of the current thread, if it does nothing else and no
/// other thread could run: with the answer of a guest's end, or by a way to user
/// mode.
#[inline(always)]
pub fn resume(cpu: &Cpu) -> Option<Result<TaskAnswer, ShortWay>> {
    let thread = cpu.current.get(cpu)?;
    debug_assert!(!cpu.reschedule.get() && cpu.loaded.is(thread));
    let state = thread.just_calls(cpu)?;
    let utcb = state.utcb.get().get(cpu);
    let area = state.vcpu.area(cpu)?;
    let flags = area.saved_state();
    let is_plain = utcb.word(0) == Opcode::VcpuResume.word()
        && area.user_task().is_cached()
        && flags.contains(StateFlags::USER_MODE)
        && !(flags.contains(StateFlags::IRQ) && area.is_irq_pending());
    let task = state.vcpu.user_task.get(cpu).filter(|_| is_plain)?;
    if task.memory.is_guest() {
        // An error comes once more.
        return thread
            .run_guest(cpu, &state, area, flags, task)
            .ok()
            .map(Ok);
    }
    thread.prepare_user_task(cpu, (state, area), flags);
    cpu.space.load(cpu, Some(task));
    let chip = &cpu.kernel.platform.chip;
    let way = (state.context).enter_user_task_at_once(cpu.block(), chip, area);
    Some(Err(way))
}
