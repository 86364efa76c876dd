//! The recorded kernel info pages agree with the layout and the descriptor encoding.

use abi_vectors::kip::{AARCH64, Descriptor, Facts, X86_64, parse};
use l4_abi::arch;
use l4_abi::kip::{self, MemoryDescriptor, MemoryType};
use l4_abi::rights::MemoryRights;

fn pages() -> [Facts; 2] {
    [parse(X86_64), parse(AARCH64)]
}

#[test]
fn headers_carry_our_numbers() {
    for facts in pages() {
        assert_eq!(facts.magic, kip::MAGIC);
        assert_eq!(facts.version, kip::VERSION);
        assert!(kip::is_compatible(facts.magic, facts.version));
        assert_eq!(facts.descriptors_count, kip::MEMORY_DESCRIPTORS as u64);
    }
}

#[test]
fn another_version_is_not_compatible() {
    assert!(!kip::is_compatible(kip::MAGIC, 0x8700_4445));
    assert!(!kip::is_compatible(kip::MAGIC, 0x8600_4444));
    assert!(!kip::is_compatible(!kip::MAGIC, kip::VERSION));
    assert!(kip::is_compatible(kip::MAGIC, kip::VERSION_BASE));
}

#[test]
fn descriptors_and_strings_begin_where_we_say() {
    let [x86_64, aarch64] = pages();
    assert_eq!(
        x86_64.descriptors_offset,
        arch::x86_64::KIP_MEMORY_DESCRIPTORS_OFFSET as u64
    );
    assert_eq!(
        x86_64.strings_offset,
        arch::x86_64::KIP_STRINGS_OFFSET as u64
    );
    assert_eq!(
        aarch64.descriptors_offset,
        arch::aarch64::KIP_MEMORY_DESCRIPTORS_OFFSET as u64
    );
    assert_eq!(
        aarch64.strings_offset,
        arch::aarch64::KIP_STRINGS_OFFSET as u64
    );
}

#[test]
fn descriptors_decode_to_the_recorded_facts() {
    for recorded in pages().iter().flat_map(|facts| &facts.descriptors) {
        let descriptor = MemoryDescriptor::from_words(recorded.words[0], recorded.words[1]);
        let kind = descriptor.kind().expect("recorded types are known");
        assert_eq!(format!("{kind:?}"), recorded.kind);
        assert_eq!(descriptor.start(), recorded.start);
        assert_eq!(descriptor.last(), recorded.last);
        assert_eq!(descriptor.sub_type(), recorded.sub_type);
        assert_eq!(descriptor.is_virtual(), recorded.is_virtual);
        assert_eq!(descriptor.is_eager(), recorded.is_eager);
        assert!(descriptor.is_used());
    }
}

#[test]
fn descriptors_encode_to_the_recorded_words() {
    for recorded in pages().iter().flat_map(|facts| &facts.descriptors) {
        assert_eq!(encode(recorded).words(), recorded.words);
    }
}

fn encode(recorded: &Descriptor) -> MemoryDescriptor {
    let Descriptor { start, last, .. } = *recorded;
    let kind = MemoryDescriptor::from_words(recorded.words[0], 0)
        .kind()
        .expect("known");
    let descriptor = match kind {
        _ if recorded.is_virtual => MemoryDescriptor::virtual_range(kind, start, last),
        MemoryType::Bootloader => {
            let rights = MemoryRights::from_bits_truncate(recorded.sub_type);
            MemoryDescriptor::bootloader(rights, start, last)
        }
        _ => MemoryDescriptor::physical(kind, recorded.sub_type, start, last),
    };
    if recorded.is_eager {
        descriptor.eager()
    } else {
        descriptor
    }
}

#[test]
fn reserved_sub_types_are_those_of_the_recorded_pages() {
    let reserved = |page: usize, sub_type| {
        let facts = &pages()[page];
        facts.descriptors.iter().any(|entry| {
            entry.kind == "Reserved" && entry.sub_type == sub_type && !entry.is_virtual
        })
    };
    assert!(reserved(0, kip::reserved::KERNEL_IMAGE) && reserved(1, kip::reserved::KERNEL_IMAGE));
    assert!(reserved(0, kip::reserved::HEAP) && reserved(1, kip::reserved::HEAP));
    assert!(reserved(0, kip::reserved::MMIO));
}

#[test]
fn virtual_conventional_memory_ends_at_the_last_user_address() {
    let last = |facts: &Facts| {
        let mut descriptors = facts.descriptors.iter();
        descriptors
            .find(|entry| entry.is_virtual && entry.kind == "Conventional")
            .unwrap()
            .last
    };
    let [x86_64, aarch64] = pages();
    assert_eq!(last(&x86_64), arch::x86_64::USER_ADDRESS_LAST);
    assert_eq!(last(&aarch64), arch::aarch64::user_address_last(44));
    assert_eq!(arch::aarch64::initial_utcb(last(&aarch64)), 0xfff_ffff_0000);
}

/// A page with the recorded features behind a version text.
fn page(facts: &Facts) -> Vec<u8> {
    let mut page = vec![0; kip::SIZE];
    page[8] = (facts.strings_offset as usize / kip::VERSION_STRING_UNIT) as u8;
    let mut strings = b"Version text\0".to_vec();
    for feature in &facts.features {
        strings.extend(feature.as_bytes());
        strings.push(0);
    }
    let start = facts.strings_offset as usize;
    page[start..start + strings.len()].copy_from_slice(&strings);
    page
}

#[test]
fn features_are_found_behind_the_version_text() {
    let [x86_64, aarch64] = pages();
    for facts in [&x86_64, &aarch64] {
        let page = page(facts);
        let found: Vec<_> = kip::strings(&page).skip(1).collect();
        let recorded: Vec<_> = facts
            .features
            .iter()
            .map(|feature| feature.as_bytes())
            .collect();
        assert_eq!(found, recorded);
        assert!(kip::has_feature(&page, kip::feature::MAPPING_DATABASE));
        assert!(kip::has_feature(&page, kip::feature::ABI_VERSION));
        assert!(!kip::has_feature(&page, "Version text"));
    }
    assert!(kip::has_feature(&page(&x86_64), kip::feature::SEGMENTS));
    assert!(!kip::has_feature(&page(&x86_64), kip::feature::ARM_EL2));
    assert!(kip::has_feature(&page(&aarch64), kip::feature::ARM_EL2));
}

#[test]
fn a_page_without_strings_has_no_features() {
    assert_eq!(kip::strings(&[]).count(), 0);
    assert_eq!(kip::strings(&[0xff; 16]).count(), 0);
    assert!(!kip::has_feature(
        &[0; kip::SIZE],
        kip::feature::MAPPING_DATABASE
    ));
}
