//! Capabilities in messages.

use l4_test::abi::error::IpcError;
use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::item::{ItemControl, ItemFlags, MapItem, ReceiveBuffer};
use l4_test::abi::operation::Operation;
use l4_test::abi::protocol::label;
use l4_test::abi::protocol::task::UnmapMask;
use l4_test::abi::rights::CapabilityRights;
use l4_test::abi::timeout::Timeout;
use l4_test::message::receive;
use l4_test::sys::object::IpcGate;
use l4_test::sys::{Cap, Object, Slot};
use l4_test::{Message, failed, own, spawn};

use crate::partner::{STALE, gate, is_used, receiver};

/// First words of an item of one capability, as the receiver sees them.
const MAPPED: u64 = 0x38;
const NOTHING: u64 = 0x3a;
const FLEXPAGE: u64 = 0x3e;

/// What the gate in `slot` says of itself: its label, if the capability has the server right.
fn gate_label(slot: &Slot) -> l4_test::sys::Result<u64> {
    Cap::<IpcGate>::new(slot.selector()).label()
}

pub(crate) fn a_capability_arrives_in_its_slot() {
    let (gate, slot) = (gate(), Slot::allocate().unwrap());
    let receiver = receiver([slot.buffer()]);
    Message::new(7)
        .words(&[1])
        .capability(gate.as_cap(), CapabilityRights::FULL)
        .send(*receiver.thread());
    let received = receiver.join();
    assert_eq!(received.outcome, Ok(7));
    assert_eq!(received.words[..4], [1, MAPPED, STALE, STALE]);
    assert_eq!(gate_label(&slot), Ok(0x1230));
}

pub(crate) fn a_range_of_capabilities_arrives_in_a_window() {
    // Four slots of which the second and fourth are filled, to a window of eight.
    let (from, to) = (0x2004, 0x2100);
    for index in [from + 1, from + 3] {
        own::task()
            .map_capability(own::thread(), index, CapabilityRights::RWS)
            .unwrap();
    }
    let window = Flexpage::objects(to, 3, CapabilityRights::empty());
    let receiver = receiver([ReceiveBuffer::WINDOW_WORD, window.raw()]);
    let flexpage = Flexpage::objects(from, 2, CapabilityRights::RWS);
    Message::new(0)
        .raw_item(from << 12 | 8, flexpage.raw())
        .send(*receiver.thread());
    let received = receiver.join();
    assert_eq!(received.words[0], from << 12 | 0x80 | MAPPED);
    let used = [0, 1, 2, 3, 4, 5, 6, 7].map(|offset| is_used(to + offset));
    // The send base chooses the upper half.
    assert_eq!(used, [false, false, false, false, false, true, false, true]);
    for first in [from, to] {
        let all = Flexpage::objects(first, 3, CapabilityRights::RWS);
        own::task().unmap(all, UnmapMask::ALL_SPACES).unwrap();
    }
}

pub(crate) fn a_flexpage_of_all_slots_is_cut_to_one() {
    let (gate, slot) = (gate(), Slot::allocate().unwrap());
    let receiver = receiver([slot.buffer()]);
    // The send base chooses which.
    let all = Flexpage::objects(0, 63, CapabilityRights::RWS);
    let base = gate.selector().raw() | 0x28;
    Message::new(0)
        .raw_item(base, all.raw())
        .send(*receiver.thread());
    assert!(receiver.join().outcome.is_ok());
    assert_eq!(gate_label(&slot), Ok(0x1230));
}

pub(crate) fn without_the_read_right_nothing_is_mapped() {
    let (gate, slot) = (gate(), Slot::allocate().unwrap());
    let receiver = receiver([slot.buffer()]);
    let rights = CapabilityRights::WRITE | CapabilityRights::SPECIAL;
    Message::new(0)
        .capability(gate.as_cap(), rights)
        .send(*receiver.thread());
    let received = receiver.join();
    assert_eq!(received.words[..2], [NOTHING, STALE]);
    assert!(!is_used(slot.selector().index()));
}

pub(crate) fn an_empty_slot_maps_nothing() {
    let slot = Slot::allocate().unwrap();
    let receiver = receiver([slot.buffer()]);
    Message::new(0)
        .item(MapItem::capability(0x800, CapabilityRights::RWS))
        .send(*receiver.thread());
    assert_eq!(receiver.join().words[0], NOTHING);
}

/// The W and S bits that a message through the capability in `slot` shows.
fn rights_through(slot: &Slot) -> u64 {
    let selector = slot.selector();
    let sender = spawn(move || {
        Message::new(0).operate(selector, Operation::SEND);
    });
    let reply = receive(*sender.thread(), Timeout::from_micros(50_000));
    assert_eq!(reply.outcome(), Ok(0));
    reply.label & 3
}

pub(crate) fn the_special_right_passes_only_through_a_special_capability() {
    for (rights, passed) in [(CapabilityRights::RWS, 3), (CapabilityRights::RW, 1)] {
        let (gate, slot) = (gate(), Slot::allocate().unwrap());
        let receiver = receiver([slot.buffer()]);
        let way = own::factory().create_gate(receiver.thread(), 0).unwrap();
        let through = own::copy(way.as_cap(), rights);
        Message::new(0)
            .capability(gate.as_cap(), CapabilityRights::RWS)
            .operate(through.selector(), Operation::SEND);
        assert_eq!(receiver.join().words[0], MAPPED);
        assert_eq!(rights_through(&slot), passed);
    }
}

pub(crate) fn a_missing_server_right_cannot_be_regained() {
    let gate = gate();
    let client = own::copy(gate.as_cap(), CapabilityRights::RWS);
    let again = own::copy(client.as_cap(), CapabilityRights::FULL);
    // Without the right, the control message goes to the bound thread: the caller itself.
    let call = Message::new(label::KERNEL_OBJECT)
        .words(&[0x11])
        .send_timeout(Timeout::ZERO)
        .operate(again.selector(), Operation::CALL);
    assert_eq!(call.outcome(), failed(IpcError::SEND_TIMEOUT));
}

pub(crate) fn a_grant_moves_the_capability() {
    let (gate, slot) = (gate(), Slot::allocate().unwrap());
    let receiver = receiver([slot.buffer()]);
    let item = MapItem {
        control: ItemControl::map(0, ItemFlags::GRANT | ItemFlags::OBJECT_1),
        ..MapItem::capability(gate.selector().index(), CapabilityRights::RWSD)
    };
    Message::new(0).item(item).send(*receiver.thread());
    assert_eq!(receiver.join().words[0], MAPPED);
    assert!(!is_used(gate.selector().index()));
    assert_eq!(gate_label(&slot), Ok(0x1230));
}

pub(crate) fn a_weak_capability_does_not_keep_its_object() {
    let (gate, slot) = (gate(), Slot::allocate().unwrap());
    let receiver = receiver([slot.buffer()]);
    let item = gate.as_cap().pass(CapabilityRights::RWS).weak().item();
    Message::new(0).item(item).send(*receiver.thread());
    assert_eq!(receiver.join().words[0], MAPPED);
    assert!(is_used(slot.selector().index()));
    drop(gate);
    assert!(!is_used(slot.selector().index()));
}

pub(crate) fn what_is_made_of_a_weak_capability_is_weak() {
    let gate = gate();
    let weak = own::copy_weak(gate.as_cap());
    let copy = own::copy(weak.as_cap(), CapabilityRights::RWS);
    assert!(is_used(copy.selector().index()));
    drop(gate);
    assert!(!is_used(weak.selector().index()) && !is_used(copy.selector().index()));
}

pub(crate) fn an_occupied_slot_loses_its_object() {
    let [gate, old] = [gate(), gate()];
    let copy = own::copy(old.as_cap(), CapabilityRights::RWS);
    // The occupied slot has the D right, so its object is destroyed with all its capabilities.
    let slot = ReceiveBuffer::slot_word(old.selector().index(), false);
    let receiver = receiver([slot]);
    Message::new(0)
        .capability(gate.as_cap(), CapabilityRights::RWS)
        .send(*receiver.thread());
    assert_eq!(receiver.join().words[0], MAPPED);
    assert!(!is_used(copy.selector().index()));
    assert!(is_used(old.selector().index()));
}

pub(crate) fn local_identity_of_the_own_task_is_the_flexpage() {
    let (gate, slot) = (gate(), Slot::allocate().unwrap());
    let buffer = ReceiveBuffer::slot_word(slot.selector().index(), true);
    let receiver = receiver([buffer]);
    Message::new(0)
        .capability(gate.as_cap(), CapabilityRights::RWS)
        .send(*receiver.thread());
    let flexpage = Flexpage::object(gate.selector().index(), CapabilityRights::RWS);
    assert_eq!(receiver.join().words[..2], [FLEXPAGE, flexpage.raw()]);
    assert!(!is_used(slot.selector().index()));
}

pub(crate) fn an_empty_slot_can_be_identified_locally() {
    let receiver = receiver([ReceiveBuffer::slot_word(0x801, true)]);
    let item = MapItem::capability(0x800, CapabilityRights::RWS);
    Message::new(0).item(item).send(*receiver.thread());
    assert_eq!(receiver.join().words[..2], [FLEXPAGE, item.flexpage.raw()]);
}
