//! Who runs when: preemption, time slices, donation.

use l4_abi::capability::{Selector, slot};
use l4_abi::error::{IpcError, ResultCode};
use l4_abi::message_tag::TagFlags;
use l4_abi::operation::Operation;
use l4_abi::protocol::{label, thread::Opcode};
use l4_abi::rights::CapabilityRights;
use l4_abi::timeout::Timeout;
use l4_abi::utcb::{BUFFER_DESCRIPTOR_OFFSET, BufferDescriptor};
use machine::event::{Fault, Source};

use super::*;
use crate::object::Ref;
use crate::testing::{Doing, Syscall, TEST_MEMORY, World, run, set_parameters};

/// Who runs is the most urgent thread, or runs on the most urgent one's time.
pub(crate) fn check(cpu: &Cpu) {
    match cpu.current.get(cpu) {
        Some(current) => {
            assert!(current.is_runnable(cpu), "a thread runs that waits");
            assert!(cpu.loaded.is(current) && !cpu.block().is_idle());
            assert!(cpu.ready.highest() <= Some(cpu.budget.priority()));
            assert!(!cpu.budget.is_nobodys(), "nobody's time passes");
        }
        None => {
            assert!(cpu.block().is_idle());
            assert_eq!(cpu.ready.highest(), None, "nobody runs who could");
            assert!(cpu.budget.is_nobodys());
        }
    }
    check_timer(cpu);
}

/// The timer fires in time for what comes next.
fn check_timer(cpu: &Cpu) {
    let deadline = cpu.kernel.platform.timer.deadline();
    // Nobody waits for the end of a time slice while nobody is ready.
    let slice = (!cpu.ready.is_empty()).then(|| cpu.budget.ends());
    if let Some(next) = cpu.timeouts.next().into_iter().chain(slice).min() {
        let deadline = deadline.expect("the timer is on");
        assert!(
            deadline <= next,
            "the timer fires at {deadline}, not {next}"
        );
    }
}

fn sleep_for(micros: u64) -> Syscall {
    Syscall::sleep().receive_timeout(Timeout::from_micros(micros))
}

#[test]
fn the_most_urgent_thread_runs() {
    run(|world| {
        let task = world.task();
        let low = world.thread(&task, 5);
        assert!(world.runs(&low));
        let high = world.thread(&task, 9);
        assert!(world.runs(&high));
        let middle = world.thread(&task, 7);
        assert!(world.runs(&high));
        world.syscall(&high, Syscall::sleep());
        assert!(world.runs(&middle));
        world.syscall(&middle, sleep_for(100));
        assert!(world.runs(&low));
        world.advance(100);
        assert!(world.runs(&middle));
    });
}

#[test]
fn threads_of_one_priority_take_turns_each_for_its_time_slice() {
    run(|world| {
        let task = world.task();
        let threads = [(); 3].map(|()| world.thread(&task, 5));
        let runs = |world: &World| threads.iter().position(|thread| world.runs(thread));
        let first = runs(world);
        let order = [(); 6].map(|()| {
            world.advance(9_999);
            let last = runs(world);
            world.advance(1);
            assert_ne!(last, runs(world));
            last.expect("one runs")
        });
        assert_eq!(first, Some(order[0]));
        assert_eq!(order[..3], order[3..], "always the same order");
        assert_eq!(order[..3].iter().sum::<usize>(), 3, "each had its turn");
    });
}

#[test]
fn the_rest_of_a_time_slice_is_kept_while_its_owner_waits() {
    run(|world| {
        let task = world.task();
        let (one, other) = (world.thread(&task, 5), world.thread(&task, 5));
        let (running, ready) = if world.runs(&one) {
            (one, other)
        } else {
            (other, one)
        };
        world.advance(6_000);
        world.syscall(&running, sleep_for(1_000));
        assert!(world.runs(&ready));
        world.advance(1_000);
        assert!(world.runs(&running), "who becomes ready goes first");
        world.advance(4_000);
        assert!(world.runs(&ready), "only the rest was left");
        // As before: 1 ms of it is used.
        world.advance(9_000);
        assert!(world.runs(&running));
    });
}

/// A client of priority 10 and a server that waits.
fn client_and_server(world: &mut World, server: u8) -> (Ref<Thread>, Ref<Thread>, u64) {
    let task = world.task();
    let server = world.thread(&task, server);
    world.syscall(&server, Syscall::wait());
    let client = world.thread(&task, 10);
    let slot = world.give_full(&task, server.header());
    (client, server, slot)
}

#[test]
fn a_call_donates_the_time_slice() {
    run(|world| {
        let (client, server, slot) = client_and_server(world, 3);
        let task = world.task();
        let between = world.thread(&task, 7);
        world.syscall(&client, Syscall::call(slot));
        assert!(world.runs(&server), "on the client's time");
        world.advance(9_999);
        assert!(world.runs(&server));
        world.advance(1);
        assert!(world.runs(&between), "the client's time is over");
        // The time is the client's.
        let consumed = |thread: &Thread| world.cpu.budget.consumed(world.cpu, thread);
        assert_eq!((consumed(&client), consumed(&server)), (10_000, 0));
    });
}

#[test]
fn the_timer_ends_a_time_slice_only_for_a_thread_that_is_ready() {
    run(|world| {
        let (client, server, slot) = client_and_server(world, 3);
        let deadline = |world: &World| world.cpu.kernel.platform.timer.deadline();
        assert_eq!(deadline(world), None, "the client is alone");
        world.advance(4_000);
        world.syscall(&client, Syscall::call(slot));
        assert_eq!(deadline(world), None, "and so is the server, on its time");
        let task = world.task();
        let between = world.thread(&task, 7);
        assert!(world.runs(&server));
        world.advance(5_999);
        assert!(world.runs(&server));
        world.advance(1);
        assert!(world.runs(&between), "the client's time is over");
    });
}

#[test]
fn no_other_operation_donates() {
    for (operation, flags) in [
        (Operation::CALL, TagFlags::SCHEDULE),
        (Operation::SEND, TagFlags::empty()),
        (Operation::SEND_AND_WAIT, TagFlags::empty()),
    ] {
        run(|world| {
            let (client, server, slot) = client_and_server(world, 3);
            let task = world.task();
            let between = world.thread(&task, 7);
            let call = Syscall::new(Selector::new(slot), operation).flags(flags);
            world.syscall(&client, call);
            assert!(!world.runs(&server), "{operation:?}");
            assert_eq!(world.runs(&between), operation != Operation::SEND);
        });
    }
}

#[test]
fn an_answer_returns_to_the_client_before_others_of_its_priority() {
    run(|world| {
        let (client, server, slot) = client_and_server(world, 3);
        let task = world.task();
        let rival = world.thread(&task, 10);
        world.syscall(&client, Syscall::call(slot));
        world.syscall(&server, Syscall::reply_and_wait());
        assert!(world.runs(&client));
        world.syscall(&client, Syscall::sleep());
        assert!(world.runs(&rival));
    });
}

#[test]
fn who_becomes_ready_goes_before_equals_but_not_before_more_urgent_ones() {
    for (waiting, preempts) in [(9, false), (10, true), (11, true)] {
        run(|world| {
            let (client, server, slot) = client_and_server(world, waiting);
            world.syscall(&client, Syscall::send(slot));
            assert_eq!(world.runs(&server), preempts, "{waiting}");
        });
    }
}

#[test]
fn a_donated_time_slice_does_not_make_a_thread_less_urgent_than_it_is() {
    run(|world| {
        let (client, server, slot) = client_and_server(world, 20);
        let task = world.task();
        let rival = world.thread(&task, 10);
        world.syscall(&rival, sleep_for(50));
        world.syscall(&client, Syscall::call(slot));
        assert!(world.runs(&server));
        world.advance(50);
        assert!(world.runs(&server), "it goes on, on its own time");
    });
}

#[test]
fn a_thread_keeps_its_priority_when_who_donated_is_destroyed() {
    run(|world| {
        let (client, server, slot) = client_and_server(world, 5);
        let task = world.task();
        let low = world.thread(&task, 1);
        world.syscall(&low, sleep_for(50));
        world.syscall(&client, Syscall::call(slot));
        world.destroy(client.header());
        world.advance(50);
        assert!(world.runs(&server));
    });
}

#[test]
fn a_yield_lets_equals_run_when_it_waits_for_any_time() {
    run(|world| {
        let task = world.task();
        let (one, other) = (world.thread(&task, 5), world.thread(&task, 5));
        let (running, ready) = if world.runs(&one) {
            (one, other)
        } else {
            (other, one)
        };
        let failed = Doing::Failed(IpcError::RECEIVE_TIMEOUT);
        world.syscall(&running, sleep_for(2));
        assert!(world.runs(&ready));
        world.advance(2);
        assert_eq!(world.doing(&running), failed);
    });
}

#[test]
fn a_pause_does_not_take_back_the_timer_interrupt_that_it_is_for() {
    run(|world| {
        let task = world.task();
        world.give_memory(&task, TEST_MEMORY);
        let thread = world.thread(&task, 5);
        let other = world.thread(&task, 5);
        let platform = &world.cpu.kernel.platform;
        let deadline = platform.timer.deadline();
        assert!(platform.timer.advance(10_000), "the time slice is over");
        platform.chip.set_pending(true);
        // Afterwards nobody runs, so no time slice ends.
        object::doom(world.cpu, task.header());
        object::doom(world.cpu, other.header());
        world.destroy(thread.header());
        assert!(world.cpu.unfinished.get());
        assert_eq!(platform.timer.deadline(), deadline);
        platform.chip.set_pending(false);
        world.enter(Source::Timer);
        assert_eq!(platform.timer.deadline(), None);
    });
}

#[test]
fn switch_to_runs_a_less_urgent_thread_on_the_own_time() {
    run(|world| {
        let task = world.task();
        let (high, low) = (world.thread(&task, 9), world.thread(&task, 5));
        let slot = world.give_full(&task, low.header());
        let switch = [Opcode::SwitchTo as u64];
        assert_eq!(world.invoke(&high, slot, label::THREAD, &switch, None), 0);
        assert!(world.runs(&low));
        world.advance(10_000);
        assert!(world.runs(&high));
    });
}

#[test]
fn new_parameters_count_at_once() {
    run(|world| {
        let task = world.task();
        let (one, other) = (world.thread(&task, 5), world.thread(&task, 4));
        let scheduler = world.give_initial(&task, slot::SCHEDULER);
        let to_other = world.give(&task, other.header(), CapabilityRights::READ);
        let words = [1, 0xff00_0000, 1, 6, 2_000];
        let run_thread = |world: &mut World, by: &Thread, words: &[u64]| {
            world.invoke(by, scheduler, label::SCHEDULER, words, Some(to_other))
        };
        assert_eq!(run_thread(world, &one, &words), 0);
        assert!(world.runs(&other));
        world.advance(2_000);
        assert!(world.runs(&other), "nobody else is as urgent");
        // It makes itself less urgent.
        assert_eq!(run_thread(world, &other, &[1, 0xff00_0000, 1, 2, 0]), 0);
        assert!(world.runs(&one));
        // 0 is no priority, above 255 is 255, and not every class is known.
        let einval = ResultCode::EINVAL.label();
        assert_eq!(run_thread(world, &one, &[1, 0xff00_0000, 1, 0, 0]), einval);
        let unknown = [1, 0xff00_0000, 1, u64::MAX - 1, 0];
        let erange = ResultCode::ERANGE.label();
        assert_eq!(run_thread(world, &one, &unknown), erange);
        assert_eq!(run_thread(world, &one, &[1, 0xff00_0000, 1, 300, 0]), 0);
        assert_eq!(other.state(world.cpu).priority.get(), 255);
        // A set without a present CPU changes nothing.
        assert_eq!(run_thread(world, &other, &[1, 0, 2, 7, 0]), 0);
        assert_eq!(other.state(world.cpu).priority.get(), 255);
    });
}

#[test]
fn the_longest_time_slice_that_can_be_asked_for_does_not_end() {
    run(|world| {
        let task = world.task();
        let (one, other) = (world.thread(&task, 5), world.thread(&task, 5));
        for thread in [&one, &other] {
            set_parameters(world.cpu, thread, 5, u64::MAX);
        }
        world.enter(Source::Spurious);
        let (running, ready) = if world.runs(&one) {
            (one, other)
        } else {
            (other, one)
        };
        world.advance(1 << 40);
        assert!(world.runs(&running));
        world.syscall(&running, sleep_for(1_000));
        assert!(world.runs(&ready));
        world.advance(1_000);
        assert!(world.runs(&running), "who becomes ready goes first");
        world.advance(1 << 40);
        assert!(world.runs(&running), "nor does what is left of it");
    });
}

#[test]
fn a_message_moves_fpu_registers_whoever_used_the_fpu_last() {
    run(|world| {
        let task = world.task();
        let receiver = world.thread(&task, 5);
        let sender = world.thread(&task, 5);
        let other = world.thread(&task, 5);
        let to_receiver = world.give_full(&task, receiver.header());
        for thread in [&receiver, &sender, &other] {
            world.fault(thread, Fault::FpuUnavailable);
        }
        let accepts = BufferDescriptor::DEFAULT.inheriting_fpu();
        world.write_buffers(&receiver, &[]);
        let place = BUFFER_DESCRIPTOR_OFFSET / 8;
        (receiver.utcb(world.cpu)).set_word(place, accepts.raw());
        world.syscall(&receiver, Syscall::wait());
        // The FPU stays the third thread's, and is off while the sender runs.
        world.syscall(&other, Syscall::sleep());
        assert!(world.cpu.fpu_owner.is(&other) && world.runs(&sender));
        let call = Syscall::send(to_receiver).flags(TagFlags::TRANSFER_FPU);
        assert!(matches!(world.syscall(&sender, call), Doing::Done(_)));
        assert!(world.cpu.fpu_owner.is_empty());
    });
}
