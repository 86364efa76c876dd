//! An array that two CPUs need at the same time, in every order.

use std::boxed::Box;
use std::sync::Arc;

use ::loom::cell::UnsafeCell;
use ::loom::thread;

use super::*;
use crate::address::PhysicalAddress;
use crate::memory::KernelMemory;

/// Notices when it is read before it was made.
struct Element(UnsafeCell<u64>);

// SAFETY: loom checks the accesses.
unsafe impl Send for Element {}
// SAFETY: likewise.
unsafe impl Sync for Element {}

impl Element {
    fn new(value: u64) -> Self {
        let element = Self(UnsafeCell::new(0));
        // SAFETY: nobody else has it yet.
        element.0.with_mut(|place| unsafe { *place = value });
        element
    }

    fn value(&self) -> u64 {
        // SAFETY: loom checks that nobody writes it.
        self.0.with(|place| unsafe { *place })
    }
}

const NOTHING: u64 = 99;

struct World {
    memory: KernelMemory,
    nothing: &'static [Element; 2],
    place: OnceArray<Element, 2>,
}

impl World {
    fn new() -> Self {
        let nothing = Box::leak(Box::new([NOTHING; 2].map(Element::new)));
        Self {
            memory: KernelMemory::hosted(PhysicalAddress::new(0), 1),
            nothing,
            place: OnceArray::empty(nothing),
        }
    }

    /// What a CPU does that needs the array: who made what it then finds, and
    /// whether this CPU's own memory is in use.
    fn need(&self, cpu: usize) -> (u64, bool) {
        let size = size_of::<[Element; 2]>();
        let storage = self.memory.claim(cpu * size.next_multiple_of(64), size);
        let own = storage.address();
        let filled = self.place.fill(self.nothing, storage, |index| {
            Element::new((cpu * 2 + index) as u64)
        });
        if let Err(storage) = &filled {
            assert_eq!(storage.address(), own, "the memory of another CPU");
        }
        let found = self.place.get();
        let (first, second) = (found[0].value(), found[1].value());
        assert_eq!(second, first + 1, "one array");
        (first / 2, filled.is_ok())
    }
}

#[test]
fn all_cpus_find_the_array_that_one_of_them_put_and_get_the_other_memory_back() {
    ::loom::model(|| {
        let world = Arc::new(World::new());
        let other = world.clone();
        let cpu1 = thread::spawn(move || other.need(1));
        let (found, is_own) = world.need(0);
        let (found_by_other, is_others) = cpu1.join().expect("no panic");
        assert_eq!(found, found_by_other, "two arrays");
        assert_ne!(is_own, is_others, "memory is lost, or in use twice");
        assert_eq!(found == 0, is_own);
    });
}

#[test]
fn who_finds_an_array_finds_what_it_was_made_with() {
    ::loom::model(|| {
        let world = Arc::new(World::new());
        let other = world.clone();
        let cpu1 = thread::spawn(move || other.need(1));
        assert!([NOTHING, 2].contains(&world.place.get()[0].value()));
        cpu1.join().expect("no panic");
    });
}
