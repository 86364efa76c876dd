//! Operations that fail, and what they return.

use l4_test::abi::error::IpcError;
use l4_test::abi::message_tag::MessageTag;
use l4_test::abi::operation::Operation;
use l4_test::abi::protocol::scheduler::CpuSet;
use l4_test::abi::timeout::{Timeout, TimeoutPair};
use l4_test::message::{nobody, receive, wait};
use l4_test::sys::object::Control;
use l4_test::sys::{Object, Selector};
use l4_test::{Message, Outcome, failed, own, spawn};

const GONE: Outcome = failed(IpcError::NOT_EXISTENT);
const NOT_READY: Outcome = failed(IpcError::SEND_TIMEOUT);

/// Every operation with a send or receive phase, but without the reply flag.
const OPERATIONS: [Operation; 5] = [
    Operation::SEND,
    Operation::RECEIVE,
    Operation::CALL,
    Operation::WAIT,
    Operation::SEND_AND_WAIT,
];

pub(crate) fn an_empty_slot_does_not_exist() {
    for operation in OPERATIONS {
        let reply = Message::new(0).operate(Selector::new(0x800), operation);
        assert_eq!(reply.outcome(), GONE, "{operation:?}");
    }
}

pub(crate) fn an_index_beyond_the_space_does_not_exist() {
    for index in [0xffff, 0x1_0000, 0x10_0000, (1 << 52) - 1] {
        let reply = Message::new(0).operate(Selector::new(index), Operation::CALL);
        assert_eq!(reply.outcome(), GONE, "{index:#x}");
    }
}

pub(crate) fn an_operation_without_phase_does_not_exist() {
    let server = spawn(wait);
    for operation in [Operation::empty(), Operation::OPEN_WAIT] {
        let reply = Message::new(0).operate(server.selector(), operation);
        assert_eq!(reply.outcome(), GONE);
    }
    assert!(!server.has_ended());
}

pub(crate) fn a_thread_that_never_ran_cannot_be_sent_to() {
    let thread = own::factory().create_thread().unwrap();
    for timeout in [Timeout::ZERO, Timeout::NEVER] {
        let message = Message::new(0).send_timeout(timeout);
        assert_eq!(message.send(**thread).outcome(), GONE);
    }
    own::scheduler()
        .run_thread(thread.as_cap(), CpuSet::ALL, 1, 0)
        .unwrap();
    assert_eq!(Message::new(0).send(**thread).outcome(), GONE);
}

pub(crate) fn a_thread_without_schedule_is_not_ready() {
    let lender = spawn(|| ());
    let thread = own::factory().create_thread().unwrap();
    let control = Control {
        bind: Some((own::task(), lender.utcb_address() as usize)),
        ..Control::default()
    };
    thread.control(control).unwrap();
    thread
        .ex_regs(
            Some(0),
            Some(0),
            l4_test::abi::protocol::thread::ExRegsFlags::empty(),
        )
        .unwrap();
    for timeout in [Timeout::ZERO, Timeout::from_micros(2000)] {
        let message = Message::new(0).send_timeout(timeout);
        assert_eq!(message.send(**thread).outcome(), NOT_READY);
    }
}

pub(crate) fn nobody_can_send_to_himself() {
    for timeout in [Timeout::ZERO, Timeout::from_micros(2000)] {
        let message = Message::new(0).send_timeout(timeout);
        assert_eq!(message.send(*own::thread()).outcome(), NOT_READY);
        assert_eq!(message.send(nobody()).outcome(), NOT_READY);
    }
}

pub(crate) fn a_failed_send_returns_nothing_but_the_mark() {
    let busy = spawn(|| receive(nobody(), Timeout::NEVER));
    for selector in [Selector::new(0x800), busy.selector()] {
        let reply = Message::new(5)
            .words(&[1, 2])
            .send_label(0x99)
            .timeouts(TimeoutPair::BOTH_ZERO)
            .operate(selector, Operation::CALL);
        assert_eq!((reply.tag, reply.label), (MessageTag::SEND_FAILED, 0x99));
    }
}

pub(crate) fn a_failed_receive_returns_the_own_tag() {
    let message = Message::new(5)
        .words(&[1, 2])
        .send_label(0x99)
        .timeouts(TimeoutPair::RECEIVE_ZERO);
    let reply = message.operate(nobody().selector(), Operation::WAIT);
    assert_eq!((reply.tag, reply.label), (message.tag().with_error(), 0x99));
}

pub(crate) fn a_failed_send_is_followed_by_no_wait() {
    let _sender = spawn(|| {
        Message::new(1).send(*own::thread());
    });
    let reply = Message::new(0).operate(Selector::new(0x800), Operation::SEND_AND_WAIT);
    assert_eq!(reply.outcome(), GONE);
    assert_eq!(wait().outcome(), Ok(1));
}
