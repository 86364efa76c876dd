use l4_abi::flexpage::{Block, Flexpage, Space, Transfer};
use l4_abi::rights::{CapabilityRights, MemoryRights};
use proptest::prelude::*;

#[test]
fn words_are_built_as_the_abi_says() {
    assert_eq!(
        Flexpage::memory(0x4000, 12, MemoryRights::RWX).raw(),
        0x4317
    );
    assert_eq!(
        Flexpage::object(0xddd, CapabilityRights::RWSD).raw(),
        0xd_dd03f
    );
    assert_eq!(Flexpage::io_ports(0x3f8, 3).raw(), 0x3f_80e0);
}

#[test]
fn special_flexpages_belong_to_no_space() {
    assert!(Flexpage::NIL.is_nil() && !Flexpage::NIL.is_all_spaces());
    assert!(Flexpage::ALL_SPACES.is_all_spaces());
    assert!(Flexpage::ALL_SPACES.with_rights(0xf).is_all_spaces());
    for space in [Space::Memory, Space::IoPort, Space::Object] {
        assert!(Flexpage::ALL_SPACES.covers(space));
        assert!(!Flexpage::NIL.covers(space));
    }
    assert!(!Flexpage::whole_memory().covers(Space::Object));
}

#[test]
fn an_order_beyond_the_space_means_the_whole_space() {
    let whole = Flexpage::memory(0x5000, 63, MemoryRights::RW);
    assert_eq!(whole.block(47), Block::new(0, 47));
    assert_eq!(Flexpage::io_ports(0x60, 17).block(16), Block::new(0, 16));
    assert_eq!(Flexpage::ALL_SPACES.block(20), Block::new(0, 20));
}

#[test]
fn a_small_flexpage_is_sent_to_the_place_that_its_base_names() {
    let transfer = Transfer::aligned(Block::new(0x7000, 12), Block::new(0x20_0000, 21), 0x3000);
    assert_eq!(transfer.send, Block::new(0x7000, 12));
    assert_eq!(transfer.receive, Block::new(0x20_3000, 12));
}

#[test]
fn a_small_window_takes_the_part_that_the_base_names() {
    let transfer = Transfer::aligned(Block::new(0x20_0000, 21), Block::new(0x7000, 12), 0xff3000);
    assert_eq!(transfer.send, Block::new(0x3f_3000, 12));
    assert_eq!(transfer.receive, Block::new(0x7000, 12));
}

#[test]
fn ports_keep_their_numbers() {
    let window = Block::new(0x3f0, 4);
    let inside = Transfer::same_numbers(Block::new(0x3f8, 3), window);
    assert_eq!(
        inside.map(|transfer| transfer.receive),
        Some(Block::new(0x3f8, 3))
    );
    assert_eq!(Transfer::same_numbers(Block::new(0x60, 0), window), None);
}

fn block() -> impl Strategy<Value = Block> {
    (any::<u64>(), 0..64_u32).prop_map(|(address, order)| Block::new(address, order))
}

proptest! {
    #[test]
    fn a_flexpage_gives_back_its_parts(page in 0..1_u64 << 52, order in 0..64_u32, rights in 0..8_u8) {
        let rights = MemoryRights::from_bits_truncate(rights);
        let flexpage = Flexpage::memory(page << 12, order, rights);
        prop_assert_eq!(flexpage.space(), Some(Space::Memory));
        prop_assert_eq!(flexpage.address(), page << 12);
        prop_assert_eq!(flexpage.order(), order);
        prop_assert_eq!(flexpage.memory_rights(), rights);
    }

    #[test]
    fn any_word_names_an_aligned_block_within_its_order(raw: u64, space_order in 0..64_u32) {
        let block = Flexpage::from_raw(raw).block(space_order);
        prop_assert!(block.order() <= space_order);
        prop_assert_eq!(block.start() % block.size(), 0);
        prop_assert_eq!(block.last() - block.start(), block.size() - 1);
    }

    #[test]
    fn an_intersection_holds_exactly_the_common_units(one in block(), other in block(), unit: u64) {
        let common = one.intersection(other).is_some_and(|block| block.contains(unit));
        prop_assert_eq!(common, one.contains(unit) && other.contains(unit));
        prop_assert_eq!(one.intersection(other), other.intersection(one));
    }

    #[test]
    fn nested_blocks_intersect_in_the_smaller(outer in block(), offset: u64, order in 0..64_u32) {
        let order = order.min(outer.order());
        let inner = Block::new(outer.start() | offset & (outer.size() - 1), order);
        prop_assert_eq!(outer.intersection(inner), Some(inner));
    }

    #[test]
    fn a_transfer_stays_within_both_partners(send in block(), receive in block(), base: u64) {
        let transfer = Transfer::aligned(send, receive, base);
        let order = send.order().min(receive.order());
        prop_assert_eq!(transfer.send.order(), order);
        prop_assert_eq!(transfer.receive.order(), order);
        prop_assert_eq!(send.intersection(transfer.send), Some(transfer.send));
        prop_assert_eq!(receive.intersection(transfer.receive), Some(transfer.receive));
    }

    /// The formula of `abi/03` §4.6, written out with additions in a wider type.
    #[test]
    fn a_transfer_is_what_the_formula_says(send in block(), receive in block(), base: u64) {
        let (s, r) = (send.order(), receive.order());
        let offset = |within: u32, align: u32| {
            u128::from(base) % (1 << within) / (1 << align) * (1 << align)
        };
        let transfer = Transfer::aligned(send, receive, base);
        let (expected_send, expected_receive) = if r >= s {
            (u128::from(send.start()), u128::from(receive.start()) + offset(r, s))
        } else {
            (u128::from(send.start()) + offset(s, r), u128::from(receive.start()))
        };
        prop_assert_eq!(u128::from(transfer.send.start()), expected_send);
        prop_assert_eq!(u128::from(transfer.receive.start()), expected_receive);
    }
}
