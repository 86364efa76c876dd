//! Items that are wrong.

use l4_test::abi::error::IpcError;
use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::message_tag::MessageTag;
use l4_test::abi::rights::CapabilityRights;
use l4_test::message::{accept, wait, word};
use l4_test::sys::{Object, Slot, Utcb};
use l4_test::{Message, Outcome, failed, spawn};

use crate::partner::{gate, is_used, receiver};

const TOO_MUCH: Outcome = failed(IpcError::SEND_OVERFLOW);
const TOO_LITTLE: Outcome = failed(IpcError::RECEIVE_OVERFLOW);

pub(crate) fn wrong_control_words_overflow() {
    let gate = gate();
    let flexpage = Flexpage::object(gate.selector().index(), CapabilityRights::RWS).raw();
    let wrong = [
        // Not a map item, in several ways.
        (1, flexpage),
        (0x1000, flexpage),
        (0xf7, flexpage),
        // No flexpage, or the special one of everything.
        (8, 0),
        (8, Flexpage::ALL_SPACES.raw() | 7),
    ];
    for (control, flexpage) in wrong {
        let slot = Slot::allocate().unwrap();
        let receiver = receiver([slot.buffer()]);
        let reply = Message::new(0)
            .raw_item(control, flexpage)
            .send(*receiver.thread());
        assert_eq!(reply.outcome(), TOO_MUCH, "{control:#x} {flexpage:#x}");
        assert_eq!(receiver.join().outcome, TOO_LITTLE);
        assert!(!is_used(slot.selector().index()));
    }
}

pub(crate) fn items_beyond_the_registers_overflow() {
    let gate = gate();
    let item = gate.as_cap().pass(CapabilityRights::RWS).item();
    for (words, fits) in [(61, true), (62, false), (63, false)] {
        let slot = Slot::allocate().unwrap();
        let receiver = receiver([slot.buffer()]);
        let reply = Message::new(0)
            .words(&[0; 63][..words])
            .item(item)
            .send(*receiver.thread());
        assert_eq!(reply.came(), fits, "{words} words");
        assert_eq!(receiver.join().outcome.is_ok(), fits);
    }
    // Of a void item only the first word counts.
    let receiver = receiver([]);
    let reply = Message::new(0)
        .words(&[0; 62])
        .raw_item(0, 0)
        .send(*receiver.thread());
    assert_eq!(reply.outcome(), Ok(0));
}

pub(crate) fn both_partners_see_the_error() {
    let receiver = spawn(|| {
        accept(&[]);
        Utcb::current().set_messages(&[0; 3]);
        let reply = wait();
        (reply.tag, reply.error, word(0))
    });
    let message = Message::new(5).words(&[42]).raw_item(8, 0);
    let reply = message.send(*receiver.thread());
    assert_eq!(reply.tag, MessageTag::SEND_FAILED);
    let (tag, error, first) = receiver.join();
    assert_eq!(tag, message.tag().with_error());
    assert_eq!(error, Some(IpcError::RECEIVE_OVERFLOW));
    assert_eq!(first, 42);
}

pub(crate) fn items_before_the_wrong_one_stay() {
    let (gate, slot) = (gate(), Slot::allocate().unwrap());
    let receiver = receiver([slot.buffer()]);
    Message::new(0)
        .capability(gate.as_cap(), CapabilityRights::RWS)
        .raw_item(0x1000, 0)
        .send(*receiver.thread());
    let received = receiver.join();
    assert_eq!((received.outcome, received.words[0]), (TOO_LITTLE, 0x38));
    assert!(is_used(slot.selector().index()));
}
