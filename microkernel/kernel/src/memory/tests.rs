//! The heap against a model that knows each block.

use machine::address::PhysicalAddress;
use proptest::prelude::*;

use super::*;

pub(crate) fn heap(frames: usize) -> KernelHeap {
    KernelHeap::new(KernelMemory::hosted(
        PhysicalAddress::new(0x4000_0000),
        frames,
    ))
    .unwrap()
}

/// Fills the heap with blocks of `size`; how many fitted.
fn capacity(heap: &KernelHeap, size: usize) -> usize {
    let blocks: Vec<Storage> = core::iter::from_fn(|| heap.allocate(size).ok()).collect();
    let count = blocks.len();
    for block in blocks {
        heap.free(block);
    }
    count
}

#[test]
fn memory_smaller_than_its_books_is_refused() {
    let memory = KernelMemory::hosted(PhysicalAddress::new(0), 1);
    assert!(KernelHeap::new(memory).is_err());
}

#[test]
fn blocks_have_the_size_asked_for_and_natural_alignment() {
    let heap = heap(2048);
    for size in [
        1,
        8,
        64,
        65,
        100,
        128,
        1000,
        1024,
        2048,
        2049,
        4096,
        5000,
        8192,
        1 << 21,
    ] {
        let storage = heap.allocate(size).unwrap();
        assert_eq!(storage.size(), size);
        let alignment = 1 << KernelHeap::charge_for(size).trailing_zeros();
        assert!(storage.address().is_multiple_of(alignment), "{size}");
        heap.free(storage);
    }
    assert_eq!(heap.used(), 0);
}

#[test]
fn absurd_sizes_are_refused() {
    let heap = heap(64);
    let quota = heap.new_root_quota().unwrap();
    for size in [
        1 << 21,
        1 << 40,
        usize::MAX / 2,
        usize::MAX / 2 + 2,
        usize::MAX,
    ] {
        assert_eq!(heap.allocate(size).unwrap_err(), OutOfMemory);
        assert_eq!(heap.allocate_charged(quota, size).unwrap_err(), OutOfMemory);
    }
    assert_eq!(quota.used(), 0);
}

#[test]
fn frames_kept_by_slabs_serve_other_sizes_when_memory_is_short() {
    let heap = heap(64);
    let frames = capacity(&heap, FRAME_SIZE);
    for size in [64, 192, 2048] {
        assert_eq!(capacity(&heap, size), frames * (FRAME_SIZE / size));
    }
    assert_eq!(capacity(&heap, FRAME_SIZE), frames);
}

#[test]
fn a_boundary_block_does_not_cost_a_frame_each_time() {
    let heap = heap(64);
    let before = heap.available();
    heap.free(heap.allocate(64).unwrap());
    assert_eq!(heap.available(), before - FRAME_SIZE);
}

#[test]
fn a_factory_takes_its_quota_from_the_parent() {
    let heap = heap(64);
    let root = heap.new_root_quota().unwrap();
    let used = heap.used();
    let parent = heap.new_quota(root, 1000).unwrap();
    assert_eq!(root.used(), 1000 + 64);
    assert_eq!(heap.new_quota(parent, 1000 - 63).unwrap_err(), OutOfMemory);
    let child = heap.new_quota(parent, 1000 - 64).unwrap();
    assert_eq!(parent.used(), 1000);
    assert_eq!(heap.allocate_charged(parent, 1).unwrap_err(), OutOfMemory);
    let storage = heap.allocate_charged(child, 700).unwrap();
    assert_eq!(child.used(), 768);

    // The factories go first; what is charged keeps the quotas, but takes nothing more.
    heap.close_quota(parent);
    heap.close_quota(child);
    assert_eq!(heap.allocate_charged(child, 1).unwrap_err(), OutOfMemory);
    assert_eq!(root.used(), 1000 + 64);
    heap.free_charged(child, storage);
    assert_eq!(root.used(), 0);
    assert_eq!(heap.used(), used);
}

#[test]
fn hostile_quotas_are_refused() {
    let heap = heap(64);
    let root = heap.new_root_quota().unwrap();
    let used = heap.used();
    for limit in [0, u64::MAX, u64::MAX - 64, 1 << 63, (1 << 63) - 1] {
        assert_eq!(
            heap.new_quota(root, limit).unwrap_err(),
            OutOfMemory,
            "{limit:#x}"
        );
    }
    assert_eq!((root.used(), heap.used()), (0, used));
    // The root factory gives away what it does not have, but not more than can be counted.
    let large = heap.new_quota(root, 1 << 62).unwrap();
    assert_eq!(heap.new_quota(root, 1 << 62).unwrap_err(), OutOfMemory);
    heap.close_quota(large);
    assert_eq!((root.used(), heap.used()), (0, used));
}

#[test]
fn factories_are_nested_to_a_limit() {
    let heap = heap(64);
    let root = heap.new_root_quota().unwrap();
    let used = heap.used();
    let mut chain = vec![root];
    while let Ok(quota) = heap.new_quota(
        *chain.last().unwrap(),
        (1 << 20) - 1000 * chain.len() as u64,
    ) {
        chain.push(quota);
        assert!(chain.len() < 100);
    }
    for quota in chain.drain(1..) {
        heap.close_quota(quota);
    }
    assert_eq!((root.used(), heap.used()), (0, used));
}

proptest! {
    #[test]
    fn blocks_are_disjoint_charged_and_given_back_exactly(
        steps in prop::collection::vec(
            (1_usize..6000, any::<bool>(), any::<prop::sample::Index>()), 1..300),
    ) {
        let heap = heap(64);
        let root = heap.new_root_quota().unwrap();
        let quota = heap.new_quota(root, 100_000).unwrap();
        let before = heap.used();
        let mut blocks: Vec<Storage> = Vec::new();
        for (size, allocate, index) in steps {
            if allocate || blocks.is_empty() {
                match heap.allocate_charged(quota, size) {
                    Ok(storage) => {
                        let (start, end) = (storage.address(), storage.address() + size);
                        for other in &blocks {
                            let other = (other.address(), other.address() + other.size());
                            prop_assert!(end <= other.0 || other.1 <= start);
                        }
                        blocks.push(storage);
                    }
                    Err(OutOfMemory) => {
                        let charge = KernelHeap::charge_for(size) as u64;
                        prop_assert!(quota.used() + charge > 100_000
                            || heap.available() < charge as usize * 2);
                    }
                }
            } else {
                heap.free_charged(quota, blocks.swap_remove(index.index(blocks.len())));
            }
            let charged: usize = blocks.iter().map(|b| KernelHeap::charge_for(b.size())).sum();
            prop_assert_eq!(quota.used(), charged as u64);
            prop_assert_eq!(heap.used(), before + charged);
        }
        for block in blocks {
            heap.free_charged(quota, block);
        }
        prop_assert_eq!((quota.used(), heap.used()), (0, before));
        heap.close_quota(quota);
        prop_assert_eq!(root.used(), 0);
    }
}
