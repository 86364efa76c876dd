use l4_abi::capability::Selector;
use l4_abi::flexpage::{Flexpage, Space};
use l4_abi::item::{
    BufferCursors, CacheMode, Delivery, ItemControl, ItemFlags, MapItem, Overflow, ReceiveBuffer,
    ReceiveTarget, ReceivedItem, SendItem,
};
use l4_abi::rights::{CapabilityRights, MemoryRights};
use l4_abi::utcb::{BUFFER_REGISTERS, BufferDescriptor};
use proptest::prelude::*;

const PAGE: MapItem = MapItem::memory(0x60_0000, 12, MemoryRights::RX);

fn buffers(words: &[u64]) -> impl Fn(usize) -> u64 {
    let words = words.to_vec();
    move |index| words.get(index).copied().unwrap_or(0)
}

#[test]
fn malformed_items_overflow() {
    let page = PAGE.flexpage.raw();
    assert_eq!(SendItem::decode(0, page), Ok(SendItem::Void));
    assert_eq!(SendItem::decode(1, page), Err(Overflow));
    assert_eq!(SendItem::decode(0x1000, page), Err(Overflow));
    assert_eq!(SendItem::decode(8, 0), Err(Overflow));
    assert_eq!(
        SendItem::decode(8, Flexpage::ALL_SPACES.raw()),
        Err(Overflow)
    );
    assert_eq!(
        SendItem::decode(PAGE.control.raw(), page),
        Ok(SendItem::Map(PAGE))
    );
}

#[test]
fn a_received_item_shows_type_order_and_base() {
    let control = ItemControl::map(0x60_0000, CacheMode::Cached.flags());
    let sent = MapItem { control, ..PAGE };
    let received = ReceivedItem::new(sent, Delivery::Mapped);
    assert_eq!(received.control_word(), 0x60_0318);
    assert_eq!(received.second_word(), None);
    assert_eq!((received.base(), received.order()), (0x60_0000, 12));
    assert_eq!(received.space(), Some(Space::Memory));
}

#[test]
fn a_granted_item_does_not_look_unmapped() {
    let sent = MapItem {
        control: ItemControl::map(0, ItemFlags::GRANT | ItemFlags::COMPOUND),
        ..PAGE
    };
    let received = ReceivedItem::new(sent, Delivery::Mapped);
    assert_eq!(received.control_word(), 0x319);
    assert!(received.is_compound());
}

#[test]
fn received_capabilities_have_the_listed_words() {
    let sent = MapItem::capability(5, CapabilityRights::RWS);
    let word = |delivery| ReceivedItem::new(sent, delivery).control_word();
    assert_eq!(word(Delivery::Mapped), 0x38);
    assert_eq!(word(Delivery::Mapped), ReceivedItem::NEW_OBJECT_WORD);
    assert_eq!(word(Delivery::NothingMapped), 0x3a);
    assert_eq!(word(Delivery::LocalId(0x1233)), 0x3c);
    assert_eq!(word(Delivery::Flexpage(sent.flexpage)), 0x3e);
    assert_eq!(
        ReceivedItem::decode(0x3c, 0x1233).map(|item| item.delivery),
        Some(Delivery::LocalId(0x1233))
    );
    assert_eq!(ReceivedItem::decode(0, 0x1233), None);
}

#[test]
fn an_object_item_without_the_read_right_maps_nothing() {
    let item = MapItem::capability(5, CapabilityRights::WRITE | CapabilityRights::DELETE);
    assert_eq!(
        item.passed_object_rights(CapabilityRights::FULL, true),
        None
    );
}

#[test]
fn the_special_right_passes_only_through_a_special_capability() {
    let item = MapItem::capability(5, CapabilityRights::RWSD);
    let with = item.passed_object_rights(CapabilityRights::FULL, true);
    let without = item.passed_object_rights(CapabilityRights::FULL, false);
    let counted = CapabilityRights::COUNTED;
    assert_eq!(with, Some(CapabilityRights::RWSD | counted));
    assert_eq!(
        without,
        Some(CapabilityRights::RW | CapabilityRights::DELETE | counted)
    );
}

#[test]
fn a_flexpage_for_the_own_task_loses_the_special_right_too() {
    let item = MapItem::capability(5, CapabilityRights::RWS);
    assert_eq!(item.passed_flexpage(true), item.flexpage);
    assert_eq!(
        item.passed_flexpage(false),
        Flexpage::object(5, CapabilityRights::RW)
    );
}

#[test]
fn a_factory_fills_a_slot_that_an_object_buffer_names() {
    let slot = |words: &[u64]| {
        ReceiveBuffer::decode(0, buffers(words))
            .unwrap()
            .object_slot()
    };
    assert_eq!(slot(&[0x22_200a]), Some(0x222));
    assert_eq!(
        slot(&[
            8,
            Flexpage::objects(0x33, 2, CapabilityRights::empty()).raw()
        ]),
        Some(0x33)
    );
    assert_eq!(slot(&[8, 0x7310]), None);
    assert_eq!(slot(&[8, Flexpage::ALL_SPACES.raw()]), None);
}

#[test]
fn the_server_right_of_a_gate_must_be_passed_on_explicitly() {
    let gate = Flexpage::object(5, CapabilityRights::RWS);
    let item = |flags| MapItem {
        control: ItemControl::map(0, flags),
        flexpage: gate,
        space: Space::Object,
    };
    let passed = |flags, held| item(flags).passed_object_rights(held, true).unwrap();
    let server = CapabilityRights::IPC_GATE_SERVER;
    assert!(!passed(ItemFlags::empty(), CapabilityRights::FULL).contains(server));
    assert!(passed(ItemFlags::OBJECT_1, CapabilityRights::FULL).contains(server));
    assert!(
        !passed(
            ItemFlags::OBJECT_1,
            CapabilityRights::FULL.difference(server)
        )
        .contains(server)
    );
}

#[test]
fn a_capability_from_a_weak_one_stays_weak() {
    let counted = CapabilityRights::COUNTED;
    let item = |flags| MapItem {
        control: ItemControl::map(0, flags),
        ..MapItem::capability(5, CapabilityRights::RW)
    };
    let weak = CapabilityRights::FULL.difference(counted);
    let passed = |flags, held| item(flags).passed_object_rights(held, true).unwrap();
    assert!(passed(ItemFlags::empty(), CapabilityRights::FULL).contains(counted));
    assert!(!passed(ItemFlags::WEAK, CapabilityRights::FULL).contains(counted));
    assert!(!passed(ItemFlags::empty(), weak).contains(counted));
}

#[test]
fn memory_rights_are_those_that_both_have() {
    assert_eq!(
        PAGE.passed_memory_rights(MemoryRights::RW),
        Some(MemoryRights::READ)
    );
    assert_eq!(PAGE.passed_memory_rights(MemoryRights::WRITE), None);
}

#[test]
fn buffers_are_one_to_three_words() {
    let slot = ReceiveBuffer::decode(0, buffers(&[0x22_200a])).unwrap();
    assert_eq!((slot.target, slot.words), (ReceiveTarget::Slot(0x222), 1));
    assert!(!slot.local_id && slot.forward.is_none());

    let local = ReceiveBuffer::decode(0, buffers(&[0xbb_b00e])).unwrap();
    assert!(local.local_id);

    let window = ReceiveBuffer::decode(0, buffers(&[8, 0x7310])).unwrap();
    assert_eq!(
        window.target,
        ReceiveTarget::Window(Flexpage::from_raw(0x7310))
    );
    assert_eq!(window.words, 2);

    let forward = ReceiveBuffer::decode(0, buffers(&[9, 0x7310, 0x5000])).unwrap();
    assert_eq!(
        (forward.forward, forward.words),
        (Some(Selector::new(5)), 3)
    );

    let forward_slot = ReceiveBuffer::decode(0, buffers(&[0x22_200b, 0x5000])).unwrap();
    assert_eq!(
        (forward_slot.forward, forward_slot.words),
        (Some(Selector::new(5)), 2)
    );
}

#[test]
fn the_list_ends_at_a_zero_word_and_at_the_last_register() {
    let window_everywhere = |_: usize| 8;
    assert_eq!(ReceiveBuffer::decode(0, buffers(&[0])), Err(Overflow));
    assert_eq!(
        ReceiveBuffer::decode(0, buffers(&[0x7310])).err(),
        Some(Overflow)
    );
    assert_eq!(
        ReceiveBuffer::decode(BUFFER_REGISTERS, window_everywhere),
        Err(Overflow)
    );
    assert_eq!(
        ReceiveBuffer::decode(BUFFER_REGISTERS - 1, window_everywhere),
        Err(Overflow)
    );
    assert!(ReceiveBuffer::decode(BUFFER_REGISTERS - 1, |_| 0x22_200a).is_ok());
}

#[test]
fn a_window_of_another_type_takes_nothing() {
    let slot = ReceiveBuffer::decode(0, buffers(&[0x22_200a])).unwrap();
    assert_eq!(slot.window(Space::Memory), None);
    assert_eq!(slot.window(Space::Object).map(Flexpage::index), Some(0x222));
    let memory = ReceiveBuffer::decode(0, buffers(&[8, 0x7310])).unwrap();
    assert_eq!(memory.window(Space::Object), None);
    let all = ReceiveBuffer::decode(0, buffers(&[8, Flexpage::ALL_SPACES.raw()])).unwrap();
    assert!(all.window(Space::IoPort).is_some());
}

#[test]
fn cursors_advance_per_space_unless_compound() {
    let read = buffers(&[8, 0x7310, 0x22_200a, 0x33_300a]);
    let mut cursors = BufferCursors::new(BufferDescriptor::new(0, 0, 2));
    let mut object = |compound| {
        cursors
            .take(Space::Object, compound, &read)
            .map(|b| b.target)
    };
    assert_eq!(object(true), Ok(ReceiveTarget::Slot(0x222)));
    assert_eq!(object(false), Ok(ReceiveTarget::Slot(0x222)));
    assert_eq!(object(false), Ok(ReceiveTarget::Slot(0x333)));
    assert_eq!(object(false), Err(Overflow));
    assert!(cursors.take(Space::Memory, false, &read).is_ok());
}

#[test]
fn the_buffer_descriptor_holds_three_positions_and_a_flag() {
    let descriptor = BufferDescriptor::new(1, 2, 31).inheriting_fpu();
    assert_eq!(
        (
            descriptor.memory(),
            descriptor.io_port(),
            descriptor.object()
        ),
        (1, 2, 31)
    );
    assert!(descriptor.inherits_fpu());
    assert_eq!(descriptor.raw(), 1 | 2 << 5 | 31 << 10 | 1 << 24);
}

proptest! {
    #[test]
    fn rights_never_grow(control: u64, flexpage: u64, held: u8, special: bool) {
        let Ok(SendItem::Map(item)) = SendItem::decode(control, flexpage) else { return Ok(()) };
        let held = CapabilityRights::from_bits_retain(held);
        if let Some(passed) = item.passed_object_rights(held, special) {
            prop_assert!(held.contains(passed));
            prop_assert!(special || !passed.contains(CapabilityRights::SPECIAL));
        }
        let held = MemoryRights::from_bits_truncate(held.bits());
        if let Some(passed) = item.passed_memory_rights(held) {
            prop_assert!(held.contains(passed) && !passed.is_empty());
        }
    }

    #[test]
    fn any_buffer_words_are_read_within_bounds(words in prop::collection::vec(any::<u64>(), BUFFER_REGISTERS), raw: u64) {
        let mut cursors = BufferCursors::new(BufferDescriptor::from_raw(raw));
        let read = |index: usize| words[index];
        let mut taken = 0;
        while cursors.take(Space::Object, false, read).is_ok() {
            taken += 1;
            prop_assert!(taken <= BUFFER_REGISTERS);
        }
    }

    #[test]
    fn what_is_written_is_read_back(base: u64, page: u64, order in 0..64_u32, compound: bool) {
        let flags = if compound { ItemFlags::COMPOUND } else { ItemFlags::empty() };
        let sent = MapItem {
            control: ItemControl::map(base, flags),
            ..MapItem::memory(page, order, MemoryRights::RW)
        };
        let received = ReceivedItem::new(sent, Delivery::Mapped);
        let decoded = ReceivedItem::decode(received.control_word(), 0);
        prop_assert_eq!(decoded, Some(received));
        prop_assert_eq!(received.base(), base & !0xfff);
        prop_assert_eq!(received.order(), order);
        prop_assert_eq!(received.is_compound(), compound);
    }
}
