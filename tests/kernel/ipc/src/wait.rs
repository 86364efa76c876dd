//! Receive phases: open and closed waits, and operations of both phases.

use l4_test::abi::error::IpcError;
use l4_test::abi::operation::Operation;
use l4_test::abi::timeout::Timeout;
use l4_test::message::{receive, wait, word};
use l4_test::{Message, failed, own, spawn};

pub(crate) fn an_open_wait_takes_anyone() {
    let _senders = [1, 2, 3].map(|number| {
        spawn(move || {
            Message::new(number).send(*own::thread());
        })
    });
    let labels = [(); 3].map(|()| wait().tag.label());
    assert_eq!(labels, [1, 2, 3]);
}

pub(crate) fn a_closed_wait_takes_only_its_partner() {
    let [_first, second] = [1, 2].map(|number| {
        spawn(move || {
            Message::new(number).send(*own::thread());
        })
    });
    let reply = receive(*second.thread(), Timeout::NEVER);
    assert_eq!(reply.outcome(), Ok(2));
    let reply = receive(*second.thread(), Timeout::ZERO);
    assert_eq!(reply.outcome(), failed(IpcError::RECEIVE_TIMEOUT));
    assert_eq!(wait().outcome(), Ok(1));
}

pub(crate) fn a_closed_wait_for_a_gate_is_one_for_its_thread() {
    let [_other, partner] = [1, 2].map(|number| {
        spawn(move || {
            Message::new(number).send(*own::thread());
        })
    });
    let gate = own::factory().create_gate(partner.thread(), 0x10).unwrap();
    assert_eq!(receive(**gate, Timeout::NEVER).outcome(), Ok(2));
}

pub(crate) fn send_and_wait_does_both() {
    let relay = spawn(|| {
        let number = wait().tag.label();
        Message::new(number + 1).send(*own::thread());
    });
    let reply = Message::new(5).operate(relay.selector(), Operation::SEND_AND_WAIT);
    assert_eq!(reply.outcome(), Ok(6));
}

pub(crate) fn reply_and_wait_serves_one_after_the_other() {
    let server = spawn(|| {
        let mut request = wait();
        while request.tag.label() != 0 {
            let answer = word(0) + 1;
            request = Message::new(1).words(&[answer]).reply_and_wait();
        }
        Message::new(0).reply();
    });
    for number in 0..100 {
        let reply = Message::new(1).words(&[number]).call(*server.thread());
        assert_eq!((reply.outcome(), word(0)), (Ok(1), number + 1));
    }
    assert_eq!(Message::new(0).call(*server.thread()).outcome(), Ok(0));
    server.join();
}

pub(crate) fn a_wait_for_a_dead_partner_goes_on() {
    let partner = spawn(|| {});
    let thread = partner.thread();
    let [patient, impatient] = [Timeout::NEVER, Timeout::from_micros(20_000)]
        .map(|timeout| spawn(move || receive(*thread, timeout).outcome()));
    drop(partner);
    assert_eq!(impatient.join(), failed(IpcError::RECEIVE_TIMEOUT));
    assert!(!patient.has_ended());
}

pub(crate) fn a_wait_for_a_thread_that_never_ran_times_out() {
    let thread = own::factory().create_thread().unwrap();
    let reply = receive(**thread, Timeout::from_micros(2000));
    assert_eq!(reply.outcome(), failed(IpcError::RECEIVE_TIMEOUT));
}
