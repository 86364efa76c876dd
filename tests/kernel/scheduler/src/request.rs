//! The scheduler's answers.

use l4_test::abi::error::ResultCode;
use l4_test::abi::protocol::label;
use l4_test::abi::protocol::scheduler::{CpuSet, MAX_PRIORITY};
use l4_test::abi::rights::CapabilityRights;
use l4_test::message::wait;
use l4_test::suite::PRIORITY;
use l4_test::sys::object::{Icu, Thread};
use l4_test::sys::{Cap, OwnedCap};
use l4_test::{Message, Outcome, own, refused, spawn_at};

use crate::trace::{clear, note, sleep, trace};

const INVALID: Outcome = refused(ResultCode::EINVAL);

fn request(words: &[u64]) -> Outcome {
    Message::new(label::SCHEDULER)
        .words(words)
        .call(*own::scheduler())
        .outcome()
}

/// Asks to run a new thread with these parameters.
fn run(words: &[u64]) -> Outcome {
    let thread: OwnedCap<Thread> = own::factory().create_thread().unwrap();
    Message::new(label::SCHEDULER)
        .words(words)
        .capability(thread.as_cap(), CapabilityRights::RWS)
        .call(*own::scheduler())
        .outcome()
}

pub(crate) fn the_cpus_are_told() {
    let info = own::scheduler().info().unwrap();
    assert_eq!(info.cpus & 1, 1);
    assert!(info.max_cpus >= u64::from(info.cpus.count_ones()));
    assert_eq!(info.classes, 2);
}

pub(crate) fn an_offset_beyond_all_cpus_is_out_of_range() {
    let max = own::scheduler().info().unwrap().max_cpus;
    for offset in [max, 0xff_ffff] {
        assert_eq!(request(&[0, offset]), refused(ResultCode::ERANGE));
    }
}

const ALL: u64 = 0xff00_0000;

pub(crate) fn wrong_parameters_are_refused() {
    assert_eq!(run(&[1, ALL, 1, 10]), INVALID);
    assert_eq!(run(&[1, ALL, 1, 0, 0]), INVALID);
    let range = refused(ResultCode::ERANGE);
    for class in [-2_i64, -3, i64::MIN] {
        assert_eq!(run(&[1, ALL, 1, class as u64, 0]), range, "{class}");
    }
    let class = -1_i64 as u64;
    for length in [0, 40, 47, 49, 1000] {
        let words = [1, ALL, 1, class, length, 0, 10];
        assert_eq!(run(&words), INVALID, "{length}");
    }
    assert_eq!(run(&[1, ALL, 1, class, 48, 0, 0]), INVALID);
}

pub(crate) fn the_fixed_priority_class_can_be_named() {
    assert_eq!(run(&[1, ALL, 1, -1_i64 as u64, 48, 0, 10]), Ok(0));
}

/// The one that gets them runs at once, and is not interrupted by one that is all but as urgent.
pub(crate) fn priorities_above_the_highest_are_the_highest() {
    for priority in [255, 256, 1 << 20, i64::MAX as u64] {
        clear();
        let urgent = spawn_at(MAX_PRIORITY - 1, || {
            wait();
            note(2);
        });
        let other = urgent.thread();
        let worker = spawn_at(PRIORITY - 1, move || {
            note(1);
            Message::new(0).send(*other);
            note(1);
        });
        assert_eq!(trace(), 0);
        let reply = Message::new(label::SCHEDULER)
            .words(&[1, ALL, 1, priority, 0])
            .capability(worker.thread(), CapabilityRights::RWS)
            .call(*own::scheduler());
        assert_eq!((reply.outcome(), trace()), (Ok(0), 0x112), "{priority}");
    }
}

pub(crate) fn a_thread_is_needed() {
    let words = [1, ALL, 1, 10, 0];
    assert_eq!(request(&words), INVALID);
    let task = Message::new(label::SCHEDULER)
        .words(&words)
        .capability(own::task(), CapabilityRights::RWS)
        .call(*own::scheduler());
    assert_eq!(task.outcome(), INVALID);
}

pub(crate) fn a_set_without_cpu_is_accepted() {
    assert_eq!(run(&[1, 0, 0, 10, 0]), Ok(0));
}

pub(crate) fn idle_time_passes_while_all_sleep() {
    let first = CpuSet::single(0);
    let idle_time = || own::scheduler().idle_time(first).unwrap();
    let before = idle_time();
    sleep(50_000);
    let idle = idle_time() - before;
    assert!((49_000..51_000).contains(&idle), "{idle} µs");
    let nowhere = CpuSet {
        granularity_offset: 0,
        map: 0,
    };
    let none = own::scheduler().idle_time(nowhere);
    assert_eq!(none, refused(ResultCode::EINVAL));
}

pub(crate) fn unknown_requests_are_refused() {
    for opcode in [3, 4, u64::MAX] {
        assert_eq!(request(&[opcode, 0, 1]), refused(ResultCode::ENOSYS));
    }
    for label in [label::META, label::TASK, label::THREAD, 0] {
        let reply = Message::new(label).words(&[0, 0]).call(*own::scheduler());
        assert_eq!(reply.outcome(), refused(ResultCode::EBADPROTO), "{label}");
    }
}

pub(crate) fn no_right_is_needed() {
    let weak = own::copy(own::scheduler(), CapabilityRights::READ);
    let thread = own::factory().create_thread().unwrap();
    let passed = own::copy(thread.as_cap(), CapabilityRights::READ);
    assert_eq!(weak.run_thread(passed.as_cap(), CpuSet::ALL, 10, 0), Ok(()));
    assert!(weak.info().is_ok() && weak.idle_time(CpuSet::ALL).is_ok());
}

pub(crate) fn it_has_one_pin() {
    let scheduler: Cap<Icu> = own::scheduler().cast();
    let info = scheduler.info().unwrap();
    assert_eq!((info.features, info.pins, info.msis), (0, 1, 0));
    let irq = own::factory().create_irq().unwrap();
    let invalid = refused(ResultCode::EINVAL);
    assert_eq!(scheduler.bind(1, irq.as_cap()), invalid);
    assert_eq!(scheduler.bind(0, irq.as_cap()), Ok(()));
    assert_eq!(scheduler.unbind(0, irq.as_cap()), Ok(()));
}
