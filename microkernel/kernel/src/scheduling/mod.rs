//! Who runs (abi/03 §10): fixed priorities, round robin within one, time
//! slices that a call donates.
//!
//! Kernel code only decides: it changes `cpu.current`, puts threads on the
//! ready queue and sets `cpu.reschedule`. [`leave`] carries the decision out
//! once, at the end of the kernel entry.

mod budget;
#[cfg(feature = "fast-paths")]
pub mod fast;
mod fpu;
mod idle;
#[cfg(any(test, feature = "debugger"))]
mod inspect;
mod ready_queue;
mod timeouts;

pub use budget::{Budget, DEFAULT_QUANTUM};
pub use fpu::{FpuPlace, fpu_access_changed, give_fpu, move_fpu};
pub use idle::IdleTime;
pub use ready_queue::ReadyQueue;
pub use timeouts::Timeouts;

use machine::context::{self, Context};
use machine::list::List;
use machine::vm;

use crate::cpu::{Cpu, CpuLocal};
use crate::object::thread::{Thread, ThreadState, Waiting};
use crate::{ipc, object, remote, trace};
use ready_queue::Ready;

/// A list of threads that are not ready, by the links of those that are.
pub type ReadyList = List<Thread, Ready>;

/// `thread` may run, if it waits for nothing: it goes before the others of
/// its priority, and before the current thread if that is not more urgent; or
/// it goes home, if it runs on another CPU.
#[inline]
pub fn make_ready(cpu: &Cpu, thread: &Thread) {
    make_ready_in(cpu, thread, thread.state(cpu));
}

/// The same, with the thread's state.
#[inline]
pub fn make_ready_in(cpu: &Cpu, thread: &Thread, state: &ThreadState) {
    if thread.could_run(state) {
        enqueue(cpu, thread, state);
    }
}

fn enqueue(cpu: &Cpu, thread: &Thread, state: &ThreadState) {
    if cpu.current.is(thread) || thread.ready_links().is_linked() {
        return;
    }
    if !thread.lives_here(cpu) {
        remote::go_home(cpu, thread);
        return;
    }
    let priority = state.priority.get();
    cpu.ready.push_front(thread, priority);
    if priority >= cpu.budget.priority() {
        cpu.preempt.set(true);
        cpu.reschedule.set(true);
        cpu.budget.set_changed();
    } else {
        limit_slice(cpu);
    }
}

/// `thread`, which may be ready, is not for now: neither on the ready list nor
/// on its way home. True if it was.
pub fn hold(cpu: &Cpu, thread: &Thread) -> bool {
    let state = thread.state(cpu);
    let waits = state.waiting.get() != Waiting::Nothing;
    cpu.ready.remove(thread, state.priority.get()) || !waits && cpu.departures.remove(thread)
}

/// `thread` runs in place of the current thread, which waits, and on its time
/// slice.
pub fn donate(cpu: &Cpu, thread: &Thread) {
    cpu.ready.remove(thread, thread.state(cpu).priority.get());
    cpu.current.set(Some(thread));
    let more_urgent = cpu
        .ready
        .highest()
        .is_some_and(|highest| highest > cpu.budget.priority());
    cpu.reschedule
        .set(more_urgent || thread.has_deferred(cpu) || has_endings(cpu));
}

/// True if an object has to be destroyed, or a dead thread's partners wait.
fn has_endings(cpu: &Cpu) -> bool {
    !cpu.doomed.is_empty() || !cpu.dying.is_empty()
}

/// Ends what has to end; the kernel pauses if that takes long.
#[inline(always)]
fn finish_endings(cpu: &Cpu) {
    let mut is_done = object::destroy_doomed(cpu);
    while is_done && let Some(thread) = cpu.dying.front(cpu) {
        is_done = thread.settle(cpu);
    }
    while is_done && let Some(gate) = cpu.waking.replace(None) {
        is_done = gate.wake(cpu);
        if !is_done {
            cpu.waking.replace(Some(gate));
        }
    }
    if !is_done {
        cpu.paused.set(true);
    }
}

/// When the time slice ends, if somebody waits for that: a thread that is ready.
/// `u64::MAX` if not.
#[inline(always)]
fn slice_end(cpu: &Cpu) -> u64 {
    match cpu.ready.is_empty() {
        true => u64::MAX,
        false => cpu.budget.ends(),
    }
}

/// Lets the timer fire when the time slice has to end.
#[inline(always)]
fn limit_slice(cpu: &Cpu) {
    let ends = slice_end(cpu);
    if ends < cpu.timer_set.get() {
        set_deadline(cpu, ends);
    }
}

/// `thread`, which is ready, runs next, on the time slice of the current
/// thread, which stays ready.
pub fn run_now(cpu: &Cpu, thread: &Thread) {
    if let Some(current) = cpu.current.get(cpu)
        && current.is_runnable(cpu)
    {
        let priority = current.state(cpu).priority.get();
        cpu.ready.push_front(current, priority);
        cpu.budget.set_changed();
    }
    donate(cpu, thread);
}

/// `thread` goes behind the others of its priority.
pub fn yield_now(cpu: &Cpu, thread: &Thread) {
    if cpu.current.is(thread) && thread.is_runnable(cpu) {
        let priority = thread.state(cpu).priority.get();
        cpu.current.set(None);
        cpu.ready.push_back(thread, priority);
        cpu.reschedule.set(true);
    }
}

/// `thread` changes its priority and gets a new time slice. To be
/// [made ready](make_ready) again.
#[inline]
pub fn set_parameters(cpu: &Cpu, thread: &Thread, priority: u8, quantum: u64) {
    let state = thread.state(cpu);
    cpu.ready.remove(thread, state.priority.get());
    state.set_parameters(priority, quantum);
    if cpu.budget.is_of(thread) {
        cpu.budget.change(cpu, thread);
        cpu.reschedule.set(true);
    }
}

/// `thread` runs on CPU `to` from now on. One that waits goes there when it
/// is ready.
#[inline]
pub fn migrate(cpu: &Cpu, thread: &Thread, to: u32) {
    if thread.residence() != to {
        move_to(cpu, thread, to);
    }
}

fn move_to(cpu: &Cpu, thread: &Thread, to: u32) {
    thread.set_residence(cpu, to);
    let was_ready = hold(cpu, thread);
    let was_current = cpu.current.is(thread);
    if was_current {
        cpu.current.set(None);
    }
    if was_ready || was_current {
        make_ready(cpu, thread);
        cpu.reschedule.set(true);
    }
}

/// `thread` leaves this CPU: its registers are in its context, and nothing of
/// the scheduler refers to it any more.
pub fn unload(cpu: &Cpu, thread: &Thread) {
    debug_assert!(
        !cpu.loaded.is(thread),
        "the CPU idles or has loaded another"
    );
    cpu.timeouts.suspend(cpu, thread);
    release_guest(cpu, thread);
    fpu::unload(cpu, thread);
    if cpu.budget.is_of(thread) {
        cpu.budget.stop(cpu);
    }
}

/// `thread` has come to this CPU.
pub fn arrived(cpu: &Cpu, thread: &Thread) {
    cpu.timeouts.resume(cpu, thread);
}

/// `thread` is dead and waits for nothing: nothing of the scheduler refers to
/// it any more.
pub fn forget(cpu: &Cpu, thread: &Thread) {
    cpu.departures.remove(thread);
    cpu.ready.remove(thread, thread.state(cpu).priority.get());
    if cpu.current.is(thread) {
        cpu.current.set(None);
        cpu.reschedule.set(true);
    }
    if cpu.loaded.is(thread) {
        put_away(cpu);
    }
    release_guest(cpu, thread);
    if cpu.fpu_owner.is(thread) {
        cpu.fpu_owner.set(None);
    }
    if cpu.budget.is_of(thread) {
        cpu.budget.clear();
        cpu.reschedule.set(true);
    }
}

/// The timer fired: ends waits and time slices that are over.
pub fn timer(cpu: &Cpu) {
    let now = cpu.kernel.platform.timer.now();
    // It stands still now, and may have fired a little early.
    cpu.timer_set.set(u64::MAX);
    cpu.timeouts.set_changed();
    while (cpu.timeouts).expire(cpu, now, |thread| thread.time_out(cpu)) {
        if CpuLocal::must_pause(cpu) {
            // The timer fires again at once.
            break;
        }
    }
    if cpu.budget.is_used_up(now) {
        // The current thread goes on with its own.
        cpu.budget.stop(cpu);
        if let Some(current) = cpu.current.get(cpu) {
            yield_now(cpu, current);
        }
    }
    cpu.reschedule.set(true);
}

/// Chooses who runs when the kernel is left, and loads it.
#[inline(always)]
pub fn leave(cpu: &Cpu) {
    if cpu.unfinished.replace(false) {
        cpu.reschedule.set(true);
    }
    while cpu.reschedule.get() || has_endings(cpu) {
        finish_endings(cpu);
        let ends_on = cpu.ends_on.replace(0);
        if ends_on != 0
            && let Some(current) = cpu.current.get(cpu)
            && current.is_runnable(cpu)
        {
            remote::wait_for_ends(cpu, current, ends_on);
        }
        if !cpu.reschedule.replace(false) {
            // Nobody waits, nor is ready, because something has ended.
            break;
        }
        choose(cpu);
        if cpu.paused.get() {
            break;
        }
        if let Some(current) = cpu.current.get(cpu)
            && current.has_deferred(cpu)
        {
            ipc::run_deferred(cpu, current);
            cpu.reschedule.set(true);
            // Many may have something to do before user mode is reached.
            if CpuLocal::must_pause(cpu) {
                cpu.paused.set(true);
            }
        }
    }
    if cpu.paused.replace(false) {
        // The interrupt that waits comes at once. It may be the timer's, which
        // would be gone if the timer were set now.
        cpu.unfinished.set(true);
        rest(cpu);
        cpu.block().pause();
        return;
    }
    program_timer(cpu);
    load(cpu);
}

/// The most urgent thread becomes the current one.
fn choose(cpu: &Cpu) {
    let preempt = cpu.preempt.replace(false);
    let current = cpu
        .current
        .get(cpu)
        .filter(|current| current.is_runnable(cpu));
    if let Some(current) = current
        && cpu.budget.is_nobodys()
    {
        // It ran on the time of a thread that is dead.
        cpu.budget.start(cpu, current);
    }
    let Some(highest) = cpu.ready.highest() else {
        if current.is_none() {
            cpu.current.set(None);
            cpu.budget.stop(cpu);
        }
        return;
    };
    if let Some(current) = current {
        // A thread that became ready goes before one of equal priority.
        let own = cpu.budget.priority();
        if highest < own || highest == own && !preempt {
            return;
        }
        let priority = current.state(cpu).priority.get();
        if priority > highest {
            // Only the time that it ran on is less urgent.
            cpu.budget.start(cpu, current);
            return;
        }
        // Preempted: next in the list of its priority.
        let next = cpu.ready.pop(cpu, highest);
        cpu.ready.push_front(current, priority);
        cpu.current.set(next);
    } else {
        cpu.current.set(cpu.ready.pop(cpu, highest));
    }
    if let Some(next) = cpu.current.get(cpu) {
        cpu.budget.start(cpu, next);
    }
}

/// Lets the timer fire when the next wait or the time slice ends. One that is
/// set to an earlier time stays so: setting it is slow, and mostly it is set
/// to an even later time before it fires.
#[inline(always)]
fn program_timer(cpu: &Cpu) {
    let (ends, set) = (slice_end(cpu), cpu.timer_set.get());
    let is_right = ends == set || ends > set && ends != u64::MAX;
    let slice_changed = cpu.budget.take_changed();
    if cpu.timeouts.take_changed() || slice_changed && !is_right {
        set_timer(cpu);
    }
}

/// Lets the timer end what `thread` does next inside the kernel. True if that is the thread that runs, and nothing else
/// is to be done first.
pub fn is_settled(cpu: &Cpu, thread: &Thread) -> bool {
    program_timer(cpu);
    cpu.loaded.is(thread) && !has_endings(cpu)
}

#[inline(never)]
fn set_timer(cpu: &Cpu) {
    let timeout = cpu.timeouts.next().unwrap_or(u64::MAX);
    let next = timeout.min(slice_end(cpu));
    if next < cpu.timer_set.get() {
        set_deadline(cpu, next);
    } else if next == u64::MAX {
        cpu.timer_set.set(next);
        cpu.kernel.platform.timer.stop();
    }
}

#[inline(never)]
fn set_deadline(cpu: &Cpu, deadline: u64) {
    cpu.timer_set.set(deadline);
    cpu.kernel.platform.timer.set_deadline(deadline);
}

fn idle_time(cpu: &Cpu, act: impl FnOnce(&IdleTime)) {
    if let Some(own) = cpu.kernel.reachable.get(cpu.id() as usize) {
        act(&own.idle);
    }
}

/// Loads the registers and the address space of the current thread.
#[inline(always)]
fn load(cpu: &Cpu) {
    let Some(current) = cpu.current.get(cpu) else {
        trace::switch(cpu, None);
        idle_time(cpu, |idle| idle.begin(|| cpu.kernel.platform.timer.now()));
        rest(cpu);
        return;
    };
    if !cpu.loaded.is(current) {
        idle_time(cpu, |idle| idle.end(|| cpu.kernel.platform.timer.now()));
        trace::switch(cpu, Some(current));
        let to = &current.state(cpu).context;
        match cpu.loaded.get(cpu) {
            Some(from) => switch_registers(cpu, &from.state(cpu).context, to),
            None => switch_registers(cpu, &cpu.no_context, to),
        }
        cpu.loaded.set(Some(current));
        fpu::switched(cpu, current);
    }
    cpu.space.load(cpu, current.running_task(cpu));
}

/// Switches registers between threads that may be in guests.
fn switch_registers(cpu: &Cpu, from: &Context, to: &Context) {
    vm::switch(cpu.block(), &cpu.kernel.platform.chip, from, to);
    context::switch(cpu.block(), from, to);
}

/// `thread` leaves this CPU, or ends: so does what its guest has of the CPU.
fn release_guest(cpu: &Cpu, thread: &Thread) {
    vm::release(cpu.block(), &thread.state(cpu).context);
}

/// Lets the CPU idle. Others may change, move or end any thread or task
/// meanwhile.
pub fn rest(cpu: &Cpu) {
    put_away(cpu);
    cpu.block().set_idle();
}

/// Leaves nothing of any thread or task in the CPU's registers but the FPU's.
fn put_away(cpu: &Cpu) {
    if let Some(loaded) = cpu.loaded.get(cpu) {
        switch_registers(cpu, &loaded.state(cpu).context, &cpu.no_context);
        cpu.loaded.set(None);
    }
    cpu.space.unload(cpu);
}

#[cfg(test)]
pub(crate) mod tests;
