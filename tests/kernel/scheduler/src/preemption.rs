//! Who goes on when a thread becomes ready: it, if it is as urgent as the one that runs.

use l4_test::abi::message_tag::TagFlags;
use l4_test::abi::protocol::scheduler::CpuSet;
use l4_test::abi::timeout::Timeout;
use l4_test::message::wait;
use l4_test::suite::PRIORITY;
use l4_test::sys::Cap;
use l4_test::sys::object::Thread;
use l4_test::{Message, Worker, own, spawn_at};

use crate::trace::{clear, note, sleep, trace, work};
use l4_test::worker::settle;

const RUNNER: u64 = 0xa;

/// Lets threads of lower, equal and higher priority wait, wakes each, and notes who ran.
///
/// The others run before the runner goes on, the one of lower priority when the runner sleeps.
fn check(wake: impl Fn(Cap<Thread>)) {
    clear();
    let workers = [1, 2, 3].map(|number: u8| {
        spawn_at(PRIORITY - 2 + number, move || {
            wait();
            note(number.into());
        })
    });
    settle();
    for worker in &workers {
        wake(worker.thread());
        note(RUNNER);
    }
    settle();
    assert_eq!(trace(), 0xa2_a3a1, "{:#x}", trace());
}

pub(crate) fn a_message_wakes_who_is_as_urgent() {
    check(|thread| {
        Message::new(0).send(*thread);
    });
}

pub(crate) fn a_message_with_schedule_flag_does_too() {
    check(|thread| {
        Message::new(0).flags(TagFlags::SCHEDULE).send(*thread);
    });
}

pub(crate) fn an_interrupt_wakes_who_is_as_urgent() {
    // Made before: destroying an interrupt may wait, and let others run.
    let irq = own::factory().create_irq().unwrap();
    check(|thread| {
        irq.bind_thread(thread, 0).unwrap();
        irq.trigger().unwrap();
    });
}

pub(crate) fn a_semaphore_wakes_who_is_as_urgent() {
    clear();
    let semaphore = own::factory().create_semaphore().unwrap();
    let shared = semaphore.as_cap();
    let _workers = [3, 2, 1].map(|number: u8| {
        spawn_at(PRIORITY - 2 + number, move || {
            shared.down(Timeout::NEVER).unwrap();
            note(number.into());
        })
    });
    settle();
    // The most urgent waiter is woken first.
    for _ in 0..3 {
        semaphore.up().unwrap();
        note(RUNNER);
    }
    settle();
    assert_eq!(trace(), 0x3a_2aa1, "{:#x}", trace());
}

pub(crate) fn a_new_thread_runs_if_it_is_as_urgent() {
    clear();
    let _workers = [1, 2, 3].map(|number: u8| {
        let worker = spawn_at(PRIORITY - 2 + number, move || note(number.into()));
        note(RUNNER);
        worker
    });
    settle();
    assert_eq!(trace(), 0xa2_a3a1, "{:#x}", trace());
}

pub(crate) fn a_timeout_wakes_who_is_as_urgent() {
    for (step, expected) in [(0, 0xa1), (1, 0x1a), (2, 0x1a)] {
        let _worker = sleeping_worker(PRIORITY - 1 + step);
        // Well past the worker's time.
        work(2 * NAP);
        note(RUNNER);
        settle();
        assert_eq!(trace(), expected, "{step}");
    }
}

/// How long a worker sleeps, in µs.
const NAP: u64 = 20_000;

/// A worker that sleeps and then notes that it runs. It is asleep now, and nothing is noted.
fn sleeping_worker(priority: u8) -> Worker<()> {
    clear();
    let worker = spawn_at(priority, || {
        sleep(NAP);
        note(1);
    });
    settle();
    worker
}

pub(crate) fn the_preempted_thread_is_next_in_turn() {
    clear();
    let waiter = spawn_at(PRIORITY, || {
        wait();
        note(1);
    });
    settle();
    // Ready, but behind: it is started by one that is more urgent than the runner.
    let _behind = spawn_at(PRIORITY - 1, || note(2));
    Message::new(0).send(*waiter.thread());
    note(RUNNER);
    settle();
    assert_eq!(trace(), 0x1a2, "{:#x}", trace());
}

pub(crate) fn a_changed_priority_counts_at_once() {
    clear();
    let worker = spawn_at(PRIORITY - 1, || note(1));
    note(RUNNER);
    let scheduler = own::scheduler();
    scheduler
        .run_thread(worker.thread(), CpuSet::ALL, PRIORITY + 1, 0)
        .unwrap();
    note(RUNNER);
    assert_eq!(trace(), 0xa1a, "{:#x}", trace());
}
