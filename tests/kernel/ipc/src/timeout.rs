//! Timeouts: zero, relative and absolute, of both phases.

use l4_test::abi::error::IpcError;
use l4_test::abi::timeout::{Timeout, TimeoutPair};
use l4_test::message::{nobody, receive, wait, wait_for};
use l4_test::sys::Utcb;
use l4_test::{Message, Outcome, failed, kip, own, spawn, spawn_on};

const TIMED_OUT: Outcome = failed(IpcError::RECEIVE_TIMEOUT);
const NOT_SENT: Outcome = failed(IpcError::SEND_TIMEOUT);

/// How long an operation takes in µs, and what it gives.
fn measure(operation: impl FnOnce() -> Outcome) -> (u64, Outcome) {
    let start = kip::micros();
    let outcome = operation();
    (kip::micros() - start, outcome)
}

/// Whether a time is what was asked for; clocks tick. The machine's time is virtual: no other program uses it up.
fn is_about(time: u64, wanted: u64) -> bool {
    (wanted.saturating_sub(100)..wanted + 1000).contains(&time)
}

/// Waits by `operation` with an absolute timeout in buffer register `register`: what it gives, and whether it ends
/// when it is to.
fn measure_until(register: usize, operation: impl FnOnce() -> Outcome) -> (bool, Outcome) {
    let end = kip::micros() + 10_000;
    Utcb::current().set_buffer(register, end);
    let outcome = operation();
    (is_about(kip::micros(), end), outcome)
}

pub(crate) fn a_sleep_lasts_its_time() {
    let cpus = own::scheduler().info().unwrap().cpus.count_ones();
    for (cpu, wanted) in
        (0..cpus).flat_map(|cpu| [1000, 5000, 20_000, 100_000].map(|wanted| (cpu, wanted)))
    {
        let timeout = Timeout::from_micros(wanted);
        let sleep = move || measure(|| receive(nobody(), timeout).outcome());
        let (time, outcome) = spawn_on(cpu, sleep).join();
        assert_eq!(outcome, TIMED_OUT);
        assert!(is_about(time, wanted), "{time} µs instead of {wanted}");
    }
}

pub(crate) fn a_relative_send_timeout_expires() {
    let busy = spawn(|| receive(nobody(), Timeout::NEVER));
    let message = Message::new(0).send_timeout(Timeout::from_micros(10_000));
    let (time, outcome) = measure(|| message.send(*busy.thread()).outcome());
    assert_eq!(outcome, NOT_SENT);
    assert!(is_about(time, 10_000), "{time} µs");
}

pub(crate) fn an_absolute_timeout_expires_at_its_time() {
    let busy = spawn(|| receive(nobody(), Timeout::NEVER));
    let until = Timeout::absolute(7);

    let receive = measure_until(7, || wait_for(until).outcome());
    assert_eq!(receive, (true, TIMED_OUT));
    let message = Message::new(0).send_timeout(until);
    let send = measure_until(7, || message.send(*busy.thread()).outcome());
    assert_eq!(send, (true, NOT_SENT));
}

pub(crate) fn an_absolute_timeout_in_the_past_expires_at_once() {
    let busy = spawn(|| receive(nobody(), Timeout::NEVER));
    for time in [0, 1, kip::micros() - 1] {
        Utcb::current().set_buffer(0, time);
        let past = Timeout::absolute(0);
        assert_eq!(wait_for(past).outcome(), TIMED_OUT);
        let message = Message::new(0).send_timeout(past);
        assert_eq!(message.send(*busy.thread()).outcome(), NOT_SENT);
    }
}

pub(crate) fn the_index_of_an_absolute_timeout_is_clamped() {
    let beyond = Timeout::from_raw(0x8000 | 63);
    let receive = measure_until(57, || wait_for(beyond).outcome());
    assert_eq!(receive, (true, TIMED_OUT));
}

pub(crate) fn a_zero_timeout_takes_who_is_queued() {
    let senders = [1, 2].map(|number| {
        spawn(move || {
            Message::new(number).send(*own::thread());
        })
    });
    let closed = receive(*senders[1].thread(), Timeout::ZERO);
    assert_eq!(closed.outcome(), Ok(2));
    assert_eq!(wait_for(Timeout::ZERO).outcome(), Ok(1));
}

pub(crate) fn a_zero_timeout_does_not_wait() {
    let busy = spawn(|| receive(nobody(), Timeout::NEVER));
    assert_eq!(wait_for(Timeout::ZERO).outcome(), TIMED_OUT);
    let message = Message::new(0).send_timeout(Timeout::ZERO);
    assert_eq!(message.send(*busy.thread()).outcome(), NOT_SENT);
}

pub(crate) fn every_mantissa_of_zero_expires_at_once() {
    let busy = spawn(|| receive(nobody(), Timeout::NEVER));
    for raw in [0x0400, 0x0800, 0x4000, 0x7c00] {
        let timeout = Timeout::from_raw(raw);
        assert_eq!(wait_for(timeout).outcome(), TIMED_OUT);
        let message = Message::new(0).send_timeout(timeout);
        assert_eq!(message.send(*busy.thread()).outcome(), NOT_SENT);
    }
}

pub(crate) fn the_receive_timeout_of_a_call_starts_with_its_wait() {
    let slow = spawn(|| {
        receive(nobody(), Timeout::from_micros(30_000));
        wait();
    });
    let timeouts = TimeoutPair::new(Timeout::NEVER, Timeout::from_micros(10_000));
    let call = Message::new(0).timeouts(timeouts);
    let (time, outcome) = measure(|| call.call(*slow.thread()).outcome());
    assert_eq!(outcome, TIMED_OUT);
    assert!(is_about(time, 40_000), "{time} µs");
}

pub(crate) fn a_message_ends_a_timeout() {
    let patient = spawn(|| {
        let first = wait_for(Timeout::from_micros(30_000)).outcome();
        // A timeout left over from the first wait would end this one early.
        (first, wait().outcome())
    });
    Message::new(1).send(*patient.thread());
    receive(nobody(), Timeout::from_micros(50_000));
    assert!(!patient.has_ended());
    Message::new(2).send(*patient.thread());
    assert_eq!(patient.join(), (Ok(1), Ok(2)));
}
