//! The kernel info page (`abi/04`).
#![no_std]
#![no_main]

#[cfg_attr(target_arch = "x86_64", path = "x86_64/mod.rs")]
#[cfg_attr(target_arch = "aarch64", path = "aarch64/mod.rs")]
mod arch;

use l4_test::abi::arch::native;
use l4_test::abi::error::IpcError;
use l4_test::abi::kip::{
    MEMORY_DESCRIPTORS, MemoryType, VERSION_STRING_UNIT, feature, has_feature, is_compatible,
};
use l4_test::abi::timeout::Timeout;
use l4_test::kip::{self, memory_descriptors};
use l4_test::message::{nobody, receive};
use l4_test::sys::object::Debugger;
use l4_test::{failed, own};

l4_test::suite![
    the_page_says_what_it_is,
    the_clock_goes_forward,
    both_clocks_tell_the_same_time,
    the_clock_goes_as_fast_as_timeouts,
    there_are_memory_descriptors,
    the_user_address_space_is_described,
    the_kernel_has_reserved_its_memory,
    the_root_task_and_its_modules_are_described,
    strings_tell_the_features,
    without_a_debugger_its_slot_is_empty,
    arch::what_the_architecture_adds,
];

fn the_page_says_what_it_is() {
    let header = kip::header();
    assert!(is_compatible(header.magic, header.version));
    assert_eq!(kip::address() % 4096, 0);
    assert_eq!((header.syscall_flags, header.node), (0, 0));
    assert!(header.sigma0_entry != 0 && header.root_task_entry != 0);
    assert!(header.user_pointer != 0);
    assert!(header.scheduler_granularity > 0);
}

fn the_clock_goes_forward() {
    let mut last = (kip::micros(), kip::nanos());
    for _ in 0..10_000 {
        let now = (kip::micros(), kip::nanos());
        assert!(now.0 >= last.0 && now.1 >= last.1);
        last = now;
    }
}

fn both_clocks_tell_the_same_time() {
    for _ in 0..100 {
        let before = kip::micros();
        let nanos = kip::nanos();
        let after = kip::micros();
        // Both are scaled by themselves, so they can be one unit apart.
        assert!((before.saturating_sub(1)..=after + 1).contains(&(nanos / 1000)));
    }
}

fn the_clock_goes_as_fast_as_timeouts() {
    let start = kip::micros();
    receive(nobody(), Timeout::from_micros(50_000));
    let time = kip::micros() - start;
    assert!((49_900..51_000).contains(&time), "{time} µs");
}

fn there_are_memory_descriptors() {
    let header = kip::header();
    assert_eq!(header.memory_descriptors_count as usize, MEMORY_DESCRIPTORS);
    assert_eq!(
        header.memory_descriptors_offset as usize,
        native::KIP_MEMORY_DESCRIPTORS_OFFSET
    );
    let memory: u64 = memory_descriptors()
        .filter(|d| d.kind() == Some(MemoryType::Conventional) && !d.is_virtual())
        .map(|d| d.last() - d.start() + 1)
        .sum();
    assert!(memory >= 64 << 20, "{memory:#x} bytes");
    assert!(
        memory_descriptors()
            .filter(|d| d.is_used())
            .all(|d| d.start() < d.last())
    );
}

fn the_user_address_space_is_described() {
    let user = memory_descriptors()
        .find(|d| d.kind() == Some(MemoryType::Conventional) && d.is_virtual())
        .expect("no virtual conventional memory");
    assert_eq!(user.start(), 0);
    assert!(user.last() >= l4_test::sys::Utcb::current().address() as u64);
}

fn the_kernel_has_reserved_its_memory() {
    let mut reserved = memory_descriptors()
        .filter(|d| d.kind() == Some(MemoryType::Reserved) && !d.is_virtual())
        .map(|d| d.last() - d.start() + 1);
    assert!(reserved.any(|size| size >= 4 << 20));
}

fn the_root_task_and_its_modules_are_described() {
    let here = there_are_memory_descriptors as *const () as u64;
    let mut images = memory_descriptors().filter(|d| d.kind() == Some(MemoryType::Bootloader));
    let own = images.find(|d| (d.start()..=d.last()).contains(&here));
    assert!(own.is_some_and(|own| own.sub_type() & 5 == 5 && own.is_eager()));
    let info = kip::header().user_pointer;
    let mut images = memory_descriptors().filter(|d| d.kind() == Some(MemoryType::Bootloader));
    assert!(images.any(|d| (d.start()..=d.last()).contains(&info)));
}

fn without_a_debugger_its_slot_is_empty() {
    assert!(!has_feature(kip::page(), feature::DEBUGGER));
    let number = Debugger::KERNEL.global_id(own::thread());
    assert_eq!(number, failed(IpcError::NOT_EXISTENT));
}

fn strings_tell_the_features() {
    let page = kip::page();
    assert!(has_feature(page, feature::MAPPING_DATABASE));
    assert!(has_feature(page, feature::PAGE_FAULT_TRAMPOLINE));
    assert!(has_feature(page, feature::ABI_VERSION));
    assert!(!has_feature(page, "map"));
    let offset = usize::from(kip::header().version_string_offset) * VERSION_STRING_UNIT;
    assert!(page[offset] != 0 && offset >= native::KIP_STRINGS_OFFSET);
}
