//! Threads.

use super::*;
use crate::ipc::reply;

/// What a thread waits for, and the lists that it is on, agree.
pub(crate) fn check(cpu: &Cpu, thread: &Thread) {
    let state = thread.state(cpu);
    let waiting = state.waiting.get();
    check_lists(cpu, thread, waiting);
    check_partners(cpu, thread);
    if cpu.current.is(thread) {
        assert!(thread.is_runnable(cpu) && !thread.ready.is_linked());
    } else if !thread.errands.is_posted() {
        assert_eq!(thread.ready.is_linked(), thread.is_runnable(cpu));
        assert!(waiting != Waiting::Remote, "it has got nowhere");
        assert!(!state.has_deadline.get(), "its timeout is forgotten");
    }
    if cpu.current.is(thread) || thread.ready.is_linked() {
        assert!(thread.lives_here(cpu), "it runs where it should not");
    }
    if thread.ready.is_linked() {
        assert!(cpu.ready.contains(thread, state.priority.get()));
    }
    if thread.timeout.is_linked() {
        assert!(waiting != Waiting::Nothing, "a ready thread has a timeout");
        assert!(cpu.timeouts.contains(cpu, thread));
    }
    if state.life.get() == Life::Dead {
        assert_eq!(waiting, Waiting::Nothing);
        assert!(thread.task.is_empty() && !thread.ready.is_linked());
        assert!(thread.mailbox.is_empty());
        assert!(thread.reply.is_empty() && thread.answer.is_empty());
    }
    let is_scrap = core::ptr::eq(thread.utcb(cpu), &cpu.kernel.scrap_utcb);
    assert_eq!(is_scrap, thread.task.is_empty());
    thread.check_standing(cpu);
    if state.vcpu.is_in_user_task() {
        assert!(thread.vcpu_area(cpu).is_some() && !state.vcpu.user_task().is_empty());
        // But for threads of other CPUs that end.
        let goes_on = matches!(waiting, Waiting::Nothing | Waiting::Remote);
        assert!(goes_on, "user mode waits for nothing");
    }
}

fn check_lists(cpu: &Cpu, thread: &Thread, waiting: Waiting) {
    let state = thread.state(cpu);
    let on_a_list = matches!(waiting, Waiting::Send | Waiting::Gate | Waiting::Semaphore);
    if thread.errands.is_posted() && !thread.place.is_linked() {
        // Another CPU may have ended its wait.
        return;
    }
    assert_eq!(thread.place.is_linked(), on_a_list, "{waiting:?}");
    assert_eq!(!state.receiver.is_empty(), waiting == Waiting::Send);
    assert_eq!(!state.semaphore.is_empty(), waiting == Waiting::Semaphore);
    match waiting {
        Waiting::Nothing | Waiting::Receive(_) | Waiting::Remote => {}
        Waiting::Send => {
            let receiver = state.receiver.get(cpu).expect("it has a receiver");
            assert!(
                receiver
                    .mailbox
                    .senders(cpu)
                    .any(|sender| sender.id == thread.id)
            );
        }
        Waiting::Gate => {
            let gate = state.gate.get(cpu).expect("it has a gate");
            assert!(gate.has_waiter(cpu, thread));
        }
        Waiting::Semaphore => {
            let semaphore = state.semaphore.get(cpu).expect("it has a semaphore");
            assert!(semaphore.has_waiter(cpu, thread));
        }
    }
}

fn check_partners(cpu: &Cpu, thread: &Thread) {
    let state = thread.state(cpu);
    reply::check(cpu, &thread.reply);
    if let Some(place) = thread.answer.get(cpu) {
        assert!(place.names(thread), "a caller's place names another");
        let waiting = state.waiting.get();
        assert!(matches!(waiting, Waiting::Receive(Source::Thread(_))));
    }
    for sender in thread
        .mailbox
        .senders(cpu)
        .filter(|sender| sender.is_here(cpu))
    {
        let state = sender.state(cpu);
        assert_eq!(state.waiting.get(), Waiting::Send);
        let receiver = state.receiver.get(cpu).expect("it has a receiver");
        assert_eq!(receiver.id, thread.id);
    }
}
