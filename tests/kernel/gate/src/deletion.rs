//! How gates go.

use l4_test::abi::error::{IpcError, ResultCode};
use l4_test::abi::protocol::label;
use l4_test::abi::rights::CapabilityRights;
use l4_test::message::wait;
use l4_test::{Message, failed, own, refused, spawn};

use crate::control::gate;

pub(crate) fn waiting_senders_learn_of_the_deletion() {
    let gate = gate();
    let through = gate.as_cap();
    let senders = [1, 2].map(|label| spawn(move || Message::new(label).call(*through).outcome()));
    gate.delete();
    for sender in senders {
        assert_eq!(sender.join(), failed(IpcError::NOT_EXISTENT));
    }
}

pub(crate) fn queued_messages_survive_the_gate() {
    let gate = own::factory().create_gate(own::thread(), 0x10).unwrap();
    let through = gate.as_cap();
    let sender = spawn(move || Message::new(1).send(*through).outcome());
    gate.delete();
    let reply = wait();
    assert_eq!((reply.outcome(), reply.label & !3), (Ok(1), 0x10));
    assert_eq!(sender.join(), Ok(1));
}

pub(crate) fn the_last_counted_capability_takes_the_gate_with_it() {
    let gate = gate();
    let kept = own::copy(gate.as_cap(), CapabilityRights::RWS);
    drop(gate);
    assert_eq!(own::task().is_valid(kept.as_cap()), Ok(true));
    let weak = own::copy_weak(kept.as_cap());
    assert_eq!(own::task().is_valid(weak.as_cap()), Ok(true));
    drop(kept);
    assert_eq!(own::task().is_valid(weak.as_cap()), Ok(false));
}

pub(crate) fn lowering_the_count_makes_it_go_earlier() {
    let gate = gate();
    let client = own::copy(gate.as_cap(), CapabilityRights::RWS);
    assert_eq!(gate.decrease_references(1), Ok(1));
    assert_eq!(own::task().is_valid(gate.as_cap()), Ok(true));
    drop(client);
    assert_eq!(own::task().is_valid(gate.as_cap()), Ok(false));
}

pub(crate) fn the_count_can_be_lowered_below_zero() {
    let gate = gate();
    assert_eq!(gate.decrease_references(1), Ok(0));
    assert_eq!(gate.decrease_references(1), Ok(-1));
    assert_eq!(gate.label(), Ok(0));
}

pub(crate) fn lowering_the_count_needs_two_words() {
    let gate = gate();
    let message = Message::new(label::KERNEL_OBJECT).words(&[0]);
    assert_eq!(message.call(**gate).outcome(), refused(ResultCode::EINVAL));
}

pub(crate) fn references_cannot_be_added() {
    let gate = gate();
    for difference in [u64::MAX, 1 << 63] {
        let refusal = refused(ResultCode::EINVAL);
        assert_eq!(gate.decrease_references(difference), refusal);
    }
    assert_eq!(gate.decrease_references(0), Ok(1));
    // Nor by taking so many away that it starts again from above.
    for _ in 0..4 {
        assert!(gate.decrease_references(u64::MAX >> 1).unwrap() < 0);
    }
}
