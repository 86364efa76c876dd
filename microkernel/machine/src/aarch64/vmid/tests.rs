//! Numbers of spaces on several CPUs, with few numbers; with loom, in every
//! order.

use super::*;

/// Numbers 1 to 3.
const LIMIT: u32 = 4;

#[cfg(not(loom))]
mod in_order {
    use core::cell::Cell;

    use super::*;

    struct World {
        vmids: Vmids,
        flushes: Cell<u32>,
    }

    impl World {
        fn new() -> Self {
            Self {
                vmids: Vmids::new(LIMIT),
                flushes: Cell::new(0),
            }
        }

        fn load(&self, cpu: u32, tag: &AtomicU64) -> u16 {
            let forget_all = || self.flushes.set(self.flushes.get() + 1);
            self.vmids.load(cpu, tag, forget_all).0
        }
    }

    fn spaces<const N: usize>() -> [AtomicU64; N] {
        [const { AtomicU64::new(0) }; N]
    }

    #[test]
    fn a_space_keeps_its_number_on_all_cpus() {
        let world = World::new();
        let [a, b] = spaces();
        assert_eq!((world.load(0, &a), world.load(1, &b)), (1, 2));
        assert_eq!((world.load(1, &a), world.load(0, &b)), (1, 2));
        assert_eq!(world.load(0, &a), 1);
        assert_eq!(world.flushes.get(), 0);
    }

    #[test]
    fn when_the_numbers_are_used_up_everything_is_forgotten_once() {
        let world = World::new();
        let spaces: [_; 7] = spaces();
        let numbers = spaces.each_ref().map(|space| world.load(0, space));
        // The number in use when a generation begins stays with its space.
        assert_eq!(numbers, [1, 2, 3, 1, 2, 1, 3]);
        assert_eq!(world.flushes.get(), 2);
    }

    #[test]
    fn a_loaded_space_keeps_its_number_when_a_generation_begins() {
        let world = World::new();
        let others: [_; 20] = spaces();
        let [a] = spaces();
        assert_eq!(world.load(0, &a), 1);
        for other in &others {
            assert_ne!(world.load(1, other), 1);
        }
        assert!(world.flushes.get() > 5);
        // Under its old number, but as one of this generation.
        let flushes = world.flushes.get();
        assert_eq!((world.load(0, &a), world.load(1, &a)), (1, 1));
        assert_eq!(world.flushes.get(), flushes);
    }
}

#[cfg(loom)]
mod loom {
    use std::sync::Arc;

    use ::loom::thread;

    use super::*;

    #[test]
    fn no_number_is_of_two_spaces_that_are_loaded() {
        ::loom::model(|| {
            let vmids = Arc::new(Vmids::new(LIMIT));
            let space = AtomicU64::new(0);
            vmids.load(1, &space, || ());
            vmids.load(0, &space, || ());
            // The number that CPU 0 has loaded for good.
            let loaded = Arc::new(AtomicU64::new(0));
            let (other_vmids, other_loaded) = (Arc::clone(&vmids), Arc::clone(&loaded));
            let cpu = thread::spawn(move || {
                let (number, _) = other_vmids.load(0, &space, || ());
                other_loaded.store(u64::from(number), Ordering::Release);
            });
            // With the last of these a generation begins.
            for _ in 0..3 {
                let (number, _) = vmids.load(1, &AtomicU64::new(0), || ());
                assert_ne!(loaded.load(Ordering::Acquire), u64::from(number));
            }
            cpu.join().unwrap();
        });
    }
}
