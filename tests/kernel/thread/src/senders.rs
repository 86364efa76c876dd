//! Rewriting the labels of messages that are queued.

use l4_test::abi::protocol::label;
use l4_test::abi::protocol::thread::SenderRule;
use l4_test::message::wait;
use l4_test::sys::OwnedCap;
use l4_test::sys::object::IpcGate;
use l4_test::{Message, Worker, own, spawn};

/// A gate of the runner with this label, and a message that waits behind it.
fn queue(label: u64) -> (OwnedCap<IpcGate>, Worker<()>) {
    let gate = own::factory().create_gate(own::thread(), label).unwrap();
    let through = gate.as_cap();
    let sender = spawn(move || {
        Message::new(0).send(*through);
    });
    (gate, sender)
}

pub(crate) fn labels_of_queued_messages_are_rewritten() {
    let _queued = [0x110, 0x120, 0x210].map(queue);
    let rule = SenderRule {
        match_mask: 0xf00,
        match_value: 0x100,
        clear: 0xf03,
        add: 0x5000,
    };
    own::thread().modify_senders(rule).unwrap();
    let labels = [(); 3].map(|()| wait().label);
    assert_eq!(labels, [0x5010, 0x5020, 0x213]);
}

pub(crate) fn the_first_matching_rule_counts() {
    let _queued = [0x100, 0x200].map(queue);
    #[rustfmt::skip]
    let words = [
        6,
        !3, 0x100, !0, 0x1000,
        0, 0, !0, 0x2000,
        0, 0, !0, 0x3000,
    ];
    let reply = Message::new(label::THREAD)
        .words(&words)
        .call(*own::thread());
    assert_eq!(reply.outcome(), Ok(0));
    assert_eq!([wait().label, wait().label], [0x1000, 0x2000]);
}

pub(crate) fn an_interrupt_keeps_its_new_label() {
    let irq = own::factory().create_irq().unwrap();
    irq.bind_thread(own::thread(), 0x77).unwrap();
    irq.trigger().unwrap();
    let rule = SenderRule {
        match_mask: !0,
        match_value: 0x77,
        clear: !0,
        add: 0x99,
    };
    own::thread().modify_senders(rule).unwrap();
    assert_eq!(wait().label, 0x99);
    irq.trigger().unwrap();
    assert_eq!(wait().label, 0x99);
}

pub(crate) fn a_request_without_rule_does_nothing() {
    let (_gate, _sender) = queue(0x100);
    for words in [&[6][..], &[6, 0, 0, !0], &[6, !0, 1, !0, 5]] {
        let reply = Message::new(label::THREAD)
            .words(words)
            .call(*own::thread());
        assert_eq!(reply.outcome(), Ok(0));
    }
    assert_eq!(wait().label, 0x103);
}
