//! Counted references on one CPU; with loom, on two.

use super::*;
use crate::address::PhysicalAddress;
use crate::memory::KernelMemory;

#[cfg(loom)]
mod loom;

/// Memory for a few objects, and where they go when they are dead.
pub(super) struct Heap {
    memory: KernelMemory,
    reaper: &'static Reaper<()>,
}

/// Bytes of memory for an object.
const SIZE: usize = 512;

impl Heap {
    pub(super) fn new() -> Self {
        Self {
            memory: KernelMemory::hosted(PhysicalAddress::new(0), 1),
            reaper: std::boxed::Box::leak(std::boxed::Box::new(Reaper::new())),
        }
    }

    pub(super) fn object<T: Send + Sync + 'static>(&self, place: usize, value: T) -> Ref<(), T> {
        let storage = self.memory.claim(place * SIZE, SIZE);
        Ref::new(storage, self.reaper, (), || value)
    }

    /// Frees what is dead; how many objects that were.
    pub(super) fn reap(&self, cpu: &mut PerCpu<()>) -> usize {
        let mut freed = 0;
        for dead in self.reaper.take(cpu) {
            let (storage, ()) = dead.free();
            assert!(self.memory.reclaim(storage).1 == SIZE);
            freed += 1;
        }
        freed
    }
}

#[cfg(not(loom))]
mod alone {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn an_object_is_freed_when_its_last_reference_is_gone() {
        let (heap, mut cpu) = (Heap::new(), PerCpu::new(0, ()));
        let value = Arc::new(());
        let object = heap.object(0, value.clone());
        let slot = Slot::empty();
        slot.replace(Some((object.clone().into_any(), 3)));
        drop(object);
        assert_eq!(heap.reap(&mut cpu), 0);
        assert_eq!(slot.get(&cpu).map(|(_, bits)| bits), Some(3));
        drop(slot);
        assert_eq!(Arc::strong_count(&value), 2, "it is dropped later");
        assert_eq!(heap.reap(&mut cpu), 1);
        assert_eq!(Arc::strong_count(&value), 1);
    }

    #[test]
    fn an_object_that_is_found_again_among_the_dead_lives_on() {
        let (heap, mut cpu) = (Heap::new(), PerCpu::new(0, ()));
        let slot = Slot::empty();
        slot.replace(Some((heap.object(0, 7_u64).into_any(), 0)));
        let again = {
            let (header, _) = slot.get(&cpu).expect("it is there");
            // As another CPU might in the meantime.
            slot.replace(None);
            assert!(!heap.reaper.is_empty());
            header.any_ref()
        };
        assert_eq!(heap.reap(&mut cpu), 0);
        assert_eq!(again.downcast::<u64>(), Some(&7));
        drop(again);
        assert_eq!(heap.reap(&mut cpu), 1);
    }

    #[test]
    fn an_object_is_only_what_it_was_made_as() {
        let (heap, mut cpu) = (Heap::new(), PerCpu::new(0, ()));
        let object = heap.object(0, 7_u64);
        assert!(object.header().downcast::<u32>().is_none());
        assert!(Ref::<(), u32>::from_header(object.header()).is_none());
        let same = Ref::<(), u64>::from_header(object.header()).expect("it is one");
        assert!(same.header().is(object.header()) && *same == 7);
        drop((object, same));
        assert_eq!(heap.reap(&mut cpu), 1);
    }

    #[test]
    #[should_panic(expected = "storage.size() >=")]
    fn storage_that_is_too_small_is_refused() {
        let heap = Heap::new();
        let storage = heap.memory.claim(0, 64);
        drop(Ref::new(storage, heap.reaper, (), || [0_u64; 64]));
    }

    #[test]
    fn a_queue_keeps_what_is_on_it() {
        let (heap, mut cpu) = (Heap::new(), PerCpu::new(0, ()));
        let queue = Queue::new();
        for number in 0..3_u64 {
            queue.push(heap.object(number as usize, number).into_any());
        }
        assert_eq!(heap.reap(&mut cpu), 0);
        let numbers = std::iter::from_fn(|| queue.pop());
        let numbers: std::vec::Vec<u64> = numbers
            .map(|object| *object.downcast().expect("a number"))
            .collect();
        assert_eq!(numbers, [2, 1, 0]);
        assert_eq!(heap.reap(&mut cpu), 3);
    }

    struct Linked(Anchor);

    impl Anchored for Linked {
        fn anchor(&self) -> &Anchor {
            &self.0
        }
    }

    #[test]
    fn links_that_are_passed_on_let_go() {
        let [one, other] = [(); 2].map(|()| Link::new());
        let (old, new) = (Linked(Anchor::new()), Linked(Anchor::new()));
        one.set(Some(&old));
        other.set(Some(&old));
        Link::pass([&one, &other], &old, &new);
        assert!(one.is(&new) && other.is(&new));
        drop(old);
        one.set(None);
        other.set(None);
        drop(new);
    }

    #[test]
    #[should_panic(expected = "points elsewhere")]
    fn only_links_to_the_old_one_are_passed_on() {
        let [one, other] = [(); 2].map(|()| Link::new());
        let items =
            [(); 2].map(|()| std::boxed::Box::leak(std::boxed::Box::new(Linked(Anchor::new()))));
        one.set(Some(items[0]));
        Link::pass([&one, &other], items[0], items[1]);
    }

    #[test]
    #[should_panic(expected = "freed while linked")]
    fn the_end_of_what_a_link_points_to_is_noticed() {
        let link = Link::new();
        let linked = Linked(Anchor::new());
        link.set(Some(&linked));
        drop(linked);
    }
}
