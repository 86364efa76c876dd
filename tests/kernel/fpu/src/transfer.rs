//! Messages that carry it: the sender's tag says so, the receiver accepts it, and the capability has
//! the S right.

use l4_test::abi::message_tag::TagFlags;
use l4_test::abi::rights::CapabilityRights;
use l4_test::abi::utcb::BufferDescriptor;
use l4_test::message::wait;
use l4_test::sys::Utcb;
use l4_test::{Message, Worker, own, spawn};

use crate::arch::{get, set};

const SENDERS: u64 = 0x5e4d;
const RECEIVERS: u64 = 0x4ece;

/// Accepts FPU state in the calling thread, or not.
pub(crate) fn inherit(accepted: bool) {
    let descriptor = match accepted {
        true => BufferDescriptor::DEFAULT.inheriting_fpu(),
        false => BufferDescriptor::DEFAULT,
    };
    Utcb::current().set_buffer_descriptor(descriptor);
}

/// A thread that waits for one message, and returns the state that it has then.
fn receiver(accepts: bool) -> Worker<u64> {
    spawn(move || {
        set(RECEIVERS);
        inherit(accepts);
        wait();
        get()
    })
}

fn send(receiver: &Worker<u64>, flags: TagFlags) {
    set(SENDERS);
    assert!(Message::new(0).flags(flags).send(*receiver.thread()).came());
}

pub(crate) fn a_message_can_carry_it() {
    let receiver = receiver(true);
    send(&receiver, TagFlags::TRANSFER_FPU);
    assert_eq!(receiver.join(), SENDERS);
}

pub(crate) fn who_never_used_it_gets_it_too() {
    let receiver = spawn(|| {
        inherit(true);
        wait();
        get()
    });
    send(&receiver, TagFlags::TRANSFER_FPU);
    assert_eq!(receiver.join(), SENDERS);
}

pub(crate) fn without_the_flag_it_stays() {
    let receiver = receiver(true);
    send(&receiver, TagFlags::empty());
    assert_eq!(receiver.join(), RECEIVERS);
    assert_eq!(get(), SENDERS);
}

pub(crate) fn who_does_not_inherit_it_keeps_its_own() {
    let receiver = receiver(false);
    send(&receiver, TagFlags::TRANSFER_FPU);
    assert_eq!(receiver.join(), RECEIVERS);
    assert_eq!(get(), SENDERS);
}

pub(crate) fn the_special_right_is_needed() {
    let through = [
        (CapabilityRights::RW, RECEIVERS),
        (CapabilityRights::RWS, SENDERS),
    ];
    for (rights, expected) in through {
        let receiver = receiver(true);
        let gate = own::factory().create_gate(receiver.thread(), 0).unwrap();
        let way = own::copy(gate.as_cap(), rights);
        set(SENDERS);
        let message = Message::new(0).flags(TagFlags::TRANSFER_FPU);
        assert!(message.send(**way).came());
        assert_eq!(receiver.join(), expected);
    }
}

pub(crate) fn an_answer_can_carry_it() {
    for (rights, expected) in [
        (CapabilityRights::RW, SENDERS),
        (CapabilityRights::RWS, RECEIVERS),
    ] {
        let server = spawn(|| {
            wait();
            set(RECEIVERS);
            Message::new(0).flags(TagFlags::TRANSFER_FPU).reply();
        });
        let gate = own::factory().create_gate(server.thread(), 0).unwrap();
        let way = own::copy(gate.as_cap(), rights);
        set(SENDERS);
        inherit(true);
        let reply = Message::new(0).call(**way);
        inherit(false);
        assert!(reply.came());
        assert_eq!(get(), expected);
    }
}
