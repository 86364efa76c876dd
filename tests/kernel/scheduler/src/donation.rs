//! Calls run the server on the caller's time slice.

use l4_test::abi::message_tag::TagFlags;
use l4_test::abi::protocol::scheduler::CpuSet;
use l4_test::message::wait;
use l4_test::suite::PRIORITY;
use l4_test::{Message, Worker, own, spawn_at};

use crate::trace::{clear, note, trace, work_until};
use l4_test::worker::settle;

/// A server below the runner, then a thread between the two that is ready.
fn server_and_ready(service: fn()) -> (Worker<()>, Worker<()>) {
    clear();
    let server = spawn_at(PRIORITY - 10, move || {
        wait();
        service();
        note(1);
        Message::new(0).reply();
    });
    settle();
    (server, spawn_at(PRIORITY - 5, || note(2)))
}

/// Gives the runner a time slice that has just begun.
fn renew_time_slice() {
    own::scheduler()
        .run_thread(own::thread(), CpuSet::ALL, PRIORITY, 0)
        .unwrap();
}

pub(crate) fn a_call_runs_the_server_first() {
    let (server, _ready) = server_and_ready(|| ());
    renew_time_slice();
    Message::new(0).call(*server.thread());
    note(0xa);
    settle();
    assert_eq!(trace(), 0x1a2, "{:#x}", trace());
}

pub(crate) fn the_schedule_flag_keeps_the_time_slice() {
    let (server, _ready) = server_and_ready(|| ());
    Message::new(0)
        .flags(TagFlags::SCHEDULE)
        .call(*server.thread());
    assert_eq!(trace(), 0x21, "{:#x}", trace());
}

pub(crate) fn a_plain_send_gives_nothing_away() {
    let (server, _ready) = server_and_ready(|| ());
    Message::new(0).send(*server.thread());
    assert_eq!(trace(), 0);
    settle();
    assert_eq!(trace(), 0x21, "{:#x}", trace());
}

pub(crate) fn a_server_has_no_more_than_the_time_slice() {
    let (server, _ready) = server_and_ready(|| work_until(|| trace() != 0));
    renew_time_slice();
    Message::new(0).call(*server.thread());
    assert_eq!(trace(), 0x21, "{:#x}", trace());
}
