//! What a message carries.

use l4_test::abi::error::IpcError;
use l4_test::abi::message_tag::{MessageTag, TagFlags};
use l4_test::abi::operation::Operation;
use l4_test::abi::rights::CapabilityRights;
use l4_test::abi::timeout::Timeout;
use l4_test::message::{nobody, receive, wait, word};
use l4_test::sys::{Object, Utcb};
use l4_test::{Message, failed, own, spawn};

pub(crate) fn a_call_brings_the_answer() {
    let server = spawn(|| {
        wait();
        let sum = word(0) + word(1);
        Message::new(3).words(&[sum]).reply();
    });
    let reply = Message::new(7).words(&[30, 12]).call(*server.thread());
    assert_eq!((reply.outcome(), word(0)), (Ok(3), 42));
}

pub(crate) fn all_63_words_arrive_both_ways() {
    let server = spawn(|| {
        wait();
        let doubled: [u64; 63] = core::array::from_fn(|index| word(index) * 2);
        Message::new(0).words(&doubled).reply();
    });
    let numbers: [u64; 63] = core::array::from_fn(|index| index as u64 + 1);
    let reply = Message::new(0).words(&numbers).call(*server.thread());
    assert_eq!((reply.outcome(), reply.tag.words()), (Ok(0), 63));
    assert!((0..63).all(|index| word(index) == numbers[index] * 2));
}

pub(crate) fn words_beyond_the_count_stay() {
    let server = spawn(|| {
        Utcb::current().set_messages(&[9, 9, 9]);
        wait();
        [word(0), word(1), word(2)]
    });
    Message::new(0).words(&[1, 2]).send(*server.thread());
    assert_eq!(server.join(), [1, 2, 9]);
}

pub(crate) fn label_and_flags_arrive_unchanged() {
    for label in [0, 1, -1, 0x7fff_ffff_ffff, -0x8000_0000_0000] {
        let flags = TagFlags::SCHEDULE | TagFlags::PROPAGATE | TagFlags::TRANSFER_FPU;
        let server = spawn(|| wait().tag.raw());
        let message = Message::new(label).words(&[1]).flags(flags);
        message.send(*server.thread());
        assert_eq!(server.join(), message.tag().raw());
    }
}

pub(crate) fn a_thread_capability_passes_the_label_register() {
    let server = spawn(|| wait().label);
    Message::new(0)
        .send_label(0x1234_5678_9abc_def3)
        .send(*server.thread());
    assert_eq!(server.join(), 0x1234_5678_9abc_def3);
}

pub(crate) fn a_gate_gives_its_label_and_the_callers_rights() {
    let server = spawn(|| core::array::from_fn::<u64, 4, _>(|_| wait().label));
    let gate = own::factory().create_gate(server.thread(), 0x1230).unwrap();
    for rights in [
        CapabilityRights::READ,
        CapabilityRights::RW,
        CapabilityRights::RS,
        CapabilityRights::RWS,
    ] {
        let copy = own::copy(gate.as_cap(), rights);
        Message::new(0)
            .send_label(0x7777)
            .operate(copy.selector(), Operation::SEND);
    }
    assert_eq!(server.join(), [0x1230, 0x1231, 0x1232, 0x1233]);
}

pub(crate) fn an_answer_passes_the_label_register() {
    let server = spawn(|| {
        wait();
        Message::new(0).send_label(0x55).reply();
    });
    assert_eq!(Message::new(0).call(*server.thread()).label, 0x55);
}

pub(crate) fn a_send_returns_the_own_tag() {
    for mark in [TagFlags::empty(), TagFlags::ERROR] {
        let server = spawn(|| wait().tag);
        let message = Message::new(5).words(&[1, 2]).flags(mark).send_label(0x99);
        let reply = message.send(*server.thread());
        assert_eq!((reply.tag, reply.label), (message.tag(), 0x99));
        let unmarked = MessageTag::words_only(5, 2);
        assert_eq!(server.join(), unmarked);
    }
}

pub(crate) fn the_error_word_is_left_alone_by_success() {
    let reply = receive(nobody(), Timeout::ZERO);
    assert_eq!(reply.outcome(), failed(IpcError::RECEIVE_TIMEOUT));
    let server = spawn(|| {
        wait();
        Message::new(0).reply();
    });
    assert_eq!(Message::new(0).call(*server.thread()).outcome(), Ok(0));
    assert_eq!(Utcb::current().error(), IpcError::RECEIVE_TIMEOUT);
}
