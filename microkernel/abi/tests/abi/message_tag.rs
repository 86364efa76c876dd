use l4_abi::message_tag::{MessageTag, TagFlags};
use proptest::prelude::*;

#[test]
fn the_label_is_cut_to_48_bits() {
    let tag = MessageTag::label_only(0x1234_5678_9abc_def0);
    assert_eq!(tag.label(), 0x5678_9abc_def0);
    assert_eq!(MessageTag::label_only(1 << 47).label(), -1 << 47);
}

#[test]
fn the_error_mark_can_be_set_and_cleared() {
    let tag = MessageTag::words_only(-2, 2);
    assert!(!tag.has_error());
    assert!(tag.with_error().has_error());
    assert_eq!(tag.with_error().without_error(), tag);
    assert_eq!(MessageTag::SEND_FAILED.raw(), 0x8000);
}

proptest! {
    #[test]
    fn a_tag_gives_back_its_parts(
        label in -1_i64 << 47..1 << 47,
        words in 0..64_usize,
        items in 0..64_usize,
        flags in 0..16_u64,
    ) {
        let flags = TagFlags::from_bits_truncate(flags << 12);
        let tag = MessageTag::new(label, words, items, flags);
        prop_assert_eq!(tag.label(), label);
        prop_assert_eq!(tag.words(), words);
        prop_assert_eq!(tag.items(), items);
        prop_assert_eq!(tag.flags(), flags);
    }

    #[test]
    fn any_word_is_a_tag(raw: u64) {
        let tag = MessageTag::from_raw(raw);
        let rebuilt = MessageTag::new(tag.label(), tag.words(), tag.items(), tag.flags());
        prop_assert_eq!(rebuilt.raw(), raw);
    }
}
