//! Capabilities of a task: asking for them, and removing them.

use l4_test::abi::error::ResultCode;
use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::operation::Operation;
use l4_test::abi::protocol::label;
use l4_test::abi::protocol::task::UnmapMask;
use l4_test::abi::rights::CapabilityRights;
use l4_test::abi::timeout::Timeout;
use l4_test::message::receive;
use l4_test::sys::object::IpcGate;
use l4_test::sys::{Cap, Object, OwnedCap, Selector};
use l4_test::{Message, own, refused, spawn};

fn gate() -> OwnedCap<IpcGate> {
    own::factory().create_gate(own::thread(), 0x10).unwrap()
}

fn is_valid(gate: &OwnedCap<IpcGate>) -> bool {
    own::task().is_valid(gate.as_cap()).unwrap()
}

fn are_equal<A: Object, B: Object>(one: Cap<A>, other: Cap<B>) -> bool {
    own::task().is_equal(one, other).unwrap()
}

pub(crate) fn validity_is_told() {
    assert!(is_valid(&gate()));
    let empty: [Cap<IpcGate>; 4] = [0x800, 0xffff, 0x1_0000, 1 << 40].map(Cap::at);
    for capability in empty {
        assert_eq!(own::task().is_valid(capability), Ok(false));
    }
}

pub(crate) fn equality_is_told() {
    let [gate, other] = [gate(), gate()];
    assert!(are_equal(gate.as_cap(), gate.as_cap()));
    assert!(!are_equal(gate.as_cap(), other.as_cap()));
    // W and S count, and so does the server right of a gate; D does not.
    let full = CapabilityRights::RWS | CapabilityRights::IPC_GATE_SERVER;
    let same = own::copy(gate.as_cap(), full);
    assert!(are_equal(gate.as_cap(), same.as_cap()));
    let without_special = CapabilityRights::RW | CapabilityRights::IPC_GATE_SERVER;
    for rights in [without_special, CapabilityRights::RWS] {
        let weak = own::copy(gate.as_cap(), rights);
        assert!(!are_equal(gate.as_cap(), weak.as_cap()));
    }
    let thread = own::copy(own::thread(), CapabilityRights::RWS);
    assert!(are_equal(own::thread(), thread.as_cap()));
    let [one, two]: [Cap<IpcGate>; 2] = [0x800, 0x801].map(Cap::at);
    assert!(are_equal(one, two) && !are_equal(one, gate.as_cap()));
}

pub(crate) fn special_selectors_name_no_slot() {
    let invalid: Cap<IpcGate> = Cap::new(Selector::INVALID);
    assert_eq!(own::task().is_valid(invalid), Ok(false));
    assert!(are_equal(invalid, invalid));
    assert!(!are_equal(invalid, own::thread()));
    let reply: Cap<IpcGate> = Cap::new(Selector::INVALID_REPLY);
    assert!(!are_equal(invalid, reply));
}

pub(crate) fn wrong_counts_are_refused() {
    for words in [&[2][..], &[2, 0, 0, 0], &[2, 0, 0, 0, 0]] {
        let reply = Message::new(label::TASK).words(words).call(*own::task());
        assert_eq!(reply.outcome(), refused(ResultCode::EINVAL));
    }
}

fn unmap(gate: &OwnedCap<IpcGate>, rights: CapabilityRights, mask: UnmapMask) {
    let flexpage = Flexpage::object(gate.selector().index(), rights);
    own::task().unmap(flexpage, mask).unwrap();
}

pub(crate) fn releasing_empties_one_slot() {
    let gate = gate();
    let copy = own::copy(gate.as_cap(), CapabilityRights::RWS);
    // There is no tree of capabilities, so nobody got anything from this slot.
    unmap(&gate, CapabilityRights::RWSD, UnmapMask::OTHER_SPACES);
    assert!(is_valid(&gate) && is_valid(&copy));
    unmap(&gate, CapabilityRights::READ, UnmapMask::ALL_SPACES);
    assert!(!is_valid(&gate) && is_valid(&copy));
}

pub(crate) fn deleting_empties_all_slots() {
    let gate = gate();
    let copy = own::copy(gate.as_cap(), CapabilityRights::RWS);
    unmap(&gate, CapabilityRights::READ, UnmapMask::DELETE_OBJECT);
    assert!(!is_valid(&gate) && !is_valid(&copy));
}

pub(crate) fn without_the_delete_right_deleting_is_releasing() {
    let gate = gate();
    let copy = own::copy(gate.as_cap(), CapabilityRights::RWS);
    unmap(&copy, CapabilityRights::RWSD, UnmapMask::DELETE_OBJECT);
    assert!(is_valid(&gate) && !is_valid(&copy));
    // The delete flag alone does nothing.
    unmap(
        &gate,
        CapabilityRights::RWSD,
        UnmapMask::from_raw(0x4000_0000),
    );
    assert!(is_valid(&gate));
}

pub(crate) fn revoking_write_shows_in_labels() {
    let gate = gate();
    unmap(&gate, CapabilityRights::WRITE, UnmapMask::ALL_SPACES);
    let through = gate.selector();
    let sender = spawn(move || {
        Message::new(0).operate(through, Operation::SEND);
    });
    let reply = receive(*sender.thread(), Timeout::from_micros(50_000));
    assert_eq!(reply.label, 0x12);
}
