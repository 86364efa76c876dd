use l4_abi::capability::{ReplySlot, Selector, Target};
use l4_abi::operation::{Destination, Operation};
use proptest::prelude::*;

/// The table of `abi/00`, row by row.
#[test]
fn special_bits_decide_what_a_selector_addresses() {
    let slot = 0x25_u64 << 12;
    let reply = Operation::REPLY_AND_WAIT;
    let implicit = Target::Reply(ReplySlot::Implicit);
    let table = [
        (slot, Operation::CALL, Target::Object(0x25)),
        (slot, reply, implicit),
        (slot | 0x400, Operation::CALL, Target::CallingThread),
        (
            slot | 0x400,
            reply,
            Target::Reply(ReplySlot::Explicit(0x25)),
        ),
        (slot | 0x800, Operation::CALL, Target::CallingThread),
        (slot | 0x800, reply, implicit),
        (slot | 0xc00, Operation::CALL, Target::CallingThread),
        (slot | 0xc00, reply, implicit),
    ];
    for (selector, operation, target) in table {
        let destination = Destination::new(Selector::from_raw(selector), operation);
        assert_eq!(destination.target(), target, "{selector:#x} {operation:?}");
    }
}

#[test]
fn an_open_wait_uses_the_named_reply_slot() {
    assert_eq!(Selector::reply(7).reply_slot(), ReplySlot::Explicit(7));
    assert_eq!(Selector::INVALID.reply_slot(), ReplySlot::Implicit);
    assert_eq!(Selector::INVALID_REPLY.reply_slot(), ReplySlot::Implicit);
    assert_eq!(Selector::new(7).reply_slot(), ReplySlot::Implicit);
}

#[test]
fn only_object_slots_are_valid() {
    assert!(Selector::new(1).is_valid());
    assert!(!Selector::INVALID.is_valid());
    assert!(!Selector::reply(1).is_valid());
}

proptest! {
    #[test]
    fn markers_in_the_ignored_bits_do_not_matter(index in 0..1_u64 << 52, marker in 0..64_u64) {
        let marked = Selector::from_raw(Selector::new(index).raw() | marker << 4);
        prop_assert_eq!(marked.target(Operation::CALL), Target::Object(index));
    }

    #[test]
    fn a_destination_gives_back_its_parts(raw: u64) {
        let destination = Destination::from_raw(raw);
        let rebuilt = Destination::new(destination.selector(), destination.operation());
        prop_assert_eq!(rebuilt.raw(), raw);
    }
}
