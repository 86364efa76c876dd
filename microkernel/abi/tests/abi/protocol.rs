use l4_abi::protocol::factory::{VargTag, VargType};
use l4_abi::protocol::ipc_gate::received_label;
use l4_abi::protocol::scheduler::CpuSet;
use l4_abi::protocol::task::UnmapMask;
use l4_abi::protocol::thread::SenderRule;
use l4_abi::rights::CapabilityRights;
use proptest::prelude::*;

#[test]
fn objects_are_deleted_only_with_the_own_space() {
    assert!(UnmapMask::DELETE_OBJECT.deletes() && UnmapMask::DELETE_OBJECT.includes_own());
    assert!(!UnmapMask::ALL_SPACES.deletes());
    assert!(!UnmapMask::from_raw(0x4000_0000).deletes());
    assert!(!UnmapMask::OTHER_SPACES.includes_own());
}

#[test]
fn a_gates_receiver_sees_the_senders_rights_in_the_label() {
    let label = |rights| received_label(0x1230, rights);
    assert_eq!(label(CapabilityRights::READ), 0x1230);
    assert_eq!(label(CapabilityRights::RW), 0x1231);
    assert_eq!(label(CapabilityRights::RS), 0x1232);
    assert_eq!(label(CapabilityRights::FULL), 0x1233);
}

#[test]
fn a_sender_rule_rewrites_only_labels_that_match() {
    let rule = SenderRule {
        match_mask: 0xff00,
        match_value: 0x1200,
        clear: 0xff00,
        add: 0x3401,
    };
    assert_eq!(rule.apply(0x1234), Some(0x3435));
    assert_eq!(rule.apply(0x1334), None);
    let without_clearing = SenderRule { clear: 0, ..rule };
    assert_eq!(without_clearing.apply(0x1235), Some(0x3635));
}

#[test]
fn the_libraries_default_set_holds_every_cpu() {
    assert!(CpuSet::ALL.contains(0) && CpuSet::ALL.contains(15) && CpuSet::ALL.contains(0xff_ffff));
}

#[test]
fn an_offset_is_rounded_down_to_the_granularity() {
    let set = CpuSet {
        granularity_offset: 2 << 24 | 7,
        map: 0b10,
    };
    assert_eq!((set.granularity(), set.offset()), (2, 4));
    assert!(!set.contains(3) && !set.contains(7) && set.contains(8) && set.contains(11));
    assert!(!set.contains(12));
}

#[test]
fn argument_tags_hold_type_and_length() {
    assert_eq!(VargTag::word_sized(VargType::Signed).raw(), 0x8_0081);
    let string = VargTag::new(VargType::String, 9);
    assert_eq!(
        (string.kind(), string.length(), string.value_words()),
        (Some(VargType::String), 9, 2)
    );
    assert_eq!(VargTag::from_raw(0x8_0007).kind(), None);
}

proptest! {
    #[test]
    fn a_single_cpu_is_alone_in_its_set(cpu in 0..1_u32 << 24, other in 0..1_u32 << 24) {
        let set = CpuSet::single(cpu);
        prop_assert!(set.contains(cpu));
        prop_assert_eq!(set.contains(other), cpu == other);
    }

    #[test]
    fn any_words_are_a_set(granularity_offset: u64, map: u64, cpu: u32) {
        let set = CpuSet { granularity_offset, map };
        let _ = set.contains(cpu);
        prop_assert!(set.offset() < 1 << 24);
    }

    #[test]
    fn any_word_is_an_argument_tag(raw: u64) {
        let tag = VargTag::from_raw(raw);
        prop_assert!(tag.value_words() * 8 >= tag.length());
    }
}
