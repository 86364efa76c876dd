//! A gate without thread: its users wait.

use l4_test::abi::error::IpcError;
use l4_test::abi::operation::Operation;
use l4_test::abi::protocol::thread::ExRegsFlags;
use l4_test::abi::timeout::{Timeout, TimeoutPair};
use l4_test::message::wait;
use l4_test::sys::Object;
use l4_test::{Message, failed, own, spawn};

use crate::control::gate;

pub(crate) fn a_sender_waits_for_the_binding() {
    let gate = gate();
    let through = gate.as_cap();
    let caller = spawn(move || Message::new(1).call(*through).outcome());
    assert!(!caller.has_ended());
    gate.bind_thread(own::thread(), 0x40).unwrap();
    let reply = wait();
    assert_eq!((reply.outcome(), reply.label), (Ok(1), 0x43));
    Message::new(2).reply();
    assert_eq!(caller.join(), Ok(2));
}

pub(crate) fn a_sender_waits_no_longer_than_its_timeout() {
    let gate = gate();
    for timeout in [Timeout::ZERO, Timeout::from_micros(2000)] {
        let message = Message::new(1).send_timeout(timeout);
        let outcome = message.send(**gate).outcome();
        assert_eq!(outcome, failed(IpcError::SEND_TIMEOUT));
    }
}

pub(crate) fn every_operation_waits_for_the_binding() {
    let gate = gate();
    let operations = [
        Operation::empty(),
        Operation::RECEIVE,
        Operation::OPEN_WAIT,
        Operation::WAIT,
        Operation::CALL,
        Operation::SEND_AND_WAIT,
    ];
    for operation in operations {
        let message = Message::new(1).timeouts(TimeoutPair::BOTH_ZERO);
        let outcome = message.operate(gate.selector(), operation).outcome();
        assert_eq!(outcome, failed(IpcError::SEND_TIMEOUT), "{operation:?}");
    }
}

pub(crate) fn a_waiting_sender_is_cancelled() {
    let gate = gate();
    let through = gate.as_cap();
    let sender = spawn(move || Message::new(1).send(*through).outcome());
    sender
        .thread()
        .ex_regs(None, None, ExRegsFlags::CANCEL)
        .unwrap();
    assert_eq!(sender.join(), failed(IpcError::SEND_CANCELED));
}

pub(crate) fn the_label_reads_zero() {
    assert_eq!(gate().label(), Ok(0));
}
