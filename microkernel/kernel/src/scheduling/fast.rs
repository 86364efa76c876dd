//! Who runs, for the fast paths: what the functions of [`scheduling`](super) that
//! are named here would do, in a straight line.

use machine::context;
use machine::object::Link;

use super::{fpu, has_endings, limit_slice, program_timer};
use crate::cpu::Cpu;
use crate::object::thread::{
    Deferred, Life, LocalState, Thread, ThreadState, Waiting, standing::Standing,
};

/// True if nothing has to be done before the kernel is left: who runs in user
/// mode goes on there.
#[inline]
pub fn is_settled(cpu: &Cpu) -> bool {
    !cpu.reschedule.get() && !has_endings(cpu)
}

/// `donate` and `leave` in one, for the current thread, whose state is
/// `from`, and for a thread that has nothing to do but to go on in user mode.
/// It is on no ready list, and nobody became ready in this kernel entry.
#[inline(always)]
pub fn switch_to(
    cpu: &Cpu,
    current: &Thread,
    from: &ThreadState,
    thread: &Thread,
    to: &ThreadState,
) {
    debug_assert!(!cpu.reschedule.get() && !has_endings(cpu));
    debug_assert!(cpu.ready.highest() <= Some(cpu.budget.priority()));
    debug_assert!(!thread.ready_links().is_linked() && thread.is_runnable(cpu));
    // A vCPU leaves its user task before it waits.
    debug_assert!(!to.vcpu.is_in_user_task());
    Link::pass([&cpu.current, &cpu.loaded], current, thread);
    context::switch(cpu.block(), &from.context, &to.context);
    fpu::switched(cpu, thread);
    cpu.space.load(cpu, thread.task(cpu));
}

/// True if a thread with the state `to`, which becomes ready, goes before all
/// others, the current one with the state `from` among them.
#[inline(always)]
pub fn goes_first(cpu: &Cpu, from: &ThreadState, to: &ThreadState) -> bool {
    debug_assert!(!cpu.reschedule.get());
    let priority = to.priority.get();
    priority > cpu.budget.priority() && priority >= from.priority.get()
}

/// `make_ready` and a part of `leave` in one, for `thread`, which waited
/// and [goes first](goes_first): it is to be [switched to](switch_to). `current`,
/// the current thread, stays ready.
#[inline(always)]
pub fn preempt(cpu: &Cpu, current: &Thread, from: &ThreadState, thread: &Thread, to: &ThreadState) {
    debug_assert!(to.deferred.get() == Deferred::Nothing);
    cpu.ready.push_front(current, from.priority.get());
    change_time(cpu, thread, to);
}

#[inline(always)]
fn change_time(cpu: &Cpu, thread: &Thread, state: &ThreadState) {
    if cpu.budget.switch(cpu, thread, state) {
        limit_slice(cpu);
    }
}

/// What `leave` does if the next thread in turn takes the current one's
/// place, and has only to go on in user mode, or to enter its vCPU: that one,
/// which is to be [switched to](switch_to). `None`: nothing is done, as that is
/// another thread, or less urgent than `least`.
#[inline(always)]
pub fn next<'cpu>(cpu: &'cpu Cpu, least: u8) -> Option<(&'cpu Thread, LocalState<'cpu>)> {
    let priority = cpu.ready.highest().filter(|highest| *highest >= least)?;
    let thread = cpu.ready.pop(cpu, priority)?;
    let state = thread.stands(cpu, Standing::Plain);
    let only_goes_on = |state: &LocalState<'_>| {
        matches!(state.deferred.get(), Deferred::Nothing | Deferred::Entry)
            && state.stop.get().is_none()
    };
    let Some(state) = state.filter(only_goes_on) else {
        cpu.ready.push_front(thread, priority);
        return None;
    };
    change_time(cpu, thread, &state);
    Some((thread, state))
}

/// What `leave` does if the current thread, which is loaded, only has to give
/// way to one that has become ready, and that has only to go on in user mode:
/// that one is switched to. False: nothing is done. For the short way, on which
/// no gate is bound: waking its senders may have paused.
#[inline(never)]
pub fn give_way(cpu: &Cpu, current: &Thread) -> bool {
    debug_assert!(cpu.preempt.get());
    let is_all = cpu.current.is(current)
        && !cpu.paused.get()
        && !has_endings(cpu)
        && cpu.departures.is_empty();
    let from = current.stands(cpu, Standing::Plain);
    let Some(from) = from.filter(|from| is_all && current.could_run(from)) else {
        return false;
    };
    let priority = from.priority.get();
    let Some((thread, to)) = next(cpu, priority.max(cpu.budget.priority())) else {
        return false;
    };
    cpu.ready.push_front(current, priority);
    cpu.preempt.set(false);
    cpu.reschedule.set(false);
    program_timer(cpu);
    thread.finish_entry(cpu);
    switch_to(cpu, current, &from, thread, &to);
    true
}

/// What `set_parameters`, `make_ready` and `leave` do if `current`, which is
/// loaded and in its system call, only has to give way to `thread`, which was not
/// ready and has only to go on in user mode: that one is switched to. `None`:
/// nothing is done.
#[inline(always)]
pub fn start(
    cpu: &Cpu,
    (current, from): (&Thread, &ThreadState),
    thread: &Thread,
    (priority, quantum): (u8, u64),
) -> Option<()> {
    debug_assert!(is_settled(cpu) && cpu.current.is(current) && cpu.loaded.is(current));
    let to = thread.stands(cpu, Standing::Plain)?;
    let is_new = to.waiting.get() == Waiting::Nothing
        && to.life.get() == Life::Alive
        && !to.scheduled.get()
        && thread.task(cpu).is_some();
    let goes_first = priority > cpu.budget.priority() && priority >= from.priority.get();
    if !(is_new && goes_first) || to.has_deferred() {
        return None;
    }
    to.set_parameters(priority, quantum);
    preempt(cpu, current, from, thread, &to);
    switch_to(cpu, current, from, thread, &to);
    Some(())
}
