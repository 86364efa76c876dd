//! Grace periods; with loom, on two CPUs in every order.

use super::*;

#[cfg(not(loom))]
fn with_cpus(ids: &[u32]) -> Quiescence {
    let quiescence = Quiescence::new();
    for &id in ids {
        quiescence.join(id);
    }
    quiescence
}

/// A grace period of CPU 0, which is not alone.
fn begin(quiescence: &Quiescence) -> Grace {
    quiescence.begin(0).expect("there are other CPUs")
}

#[cfg(not(loom))]
#[test]
fn a_grace_period_ends_when_all_others_have_passed() {
    let quiescence = with_cpus(&[0, 1, 5]);
    quiescence.pass(1, false);
    let mut grace = begin(&quiescence);
    assert_eq!(quiescence.lagging(&mut grace), 1 << 1 | 1 << 5);
    quiescence.pass(5, false);
    assert_eq!(quiescence.lagging(&mut grace), 1 << 1);
    quiescence.pass(1, false);
    assert_eq!(quiescence.lagging(&mut grace), 0);
}

#[cfg(not(loom))]
#[test]
fn a_cpu_alone_waits_for_nobody() {
    let quiescence = with_cpus(&[0]);
    assert!(quiescence.begin(0).is_none());
}

#[cfg(not(loom))]
#[test]
fn nobody_waits_for_a_cpu_that_idles() {
    let quiescence = with_cpus(&[0, 1]);
    quiescence.pass(1, true);
    assert_eq!(quiescence.lagging(&mut begin(&quiescence)), 0);
    quiescence.wake(1);
    let mut grace = begin(&quiescence);
    assert_eq!(quiescence.lagging(&mut grace), 1 << 1);
    quiescence.pass(1, true);
    assert_eq!(quiescence.lagging(&mut grace), 0);
    // Idle all the time, or again: both are over.
    let mut grace = begin(&quiescence);
    quiescence.wake(1);
    quiescence.pass(1, true);
    assert_eq!(quiescence.lagging(&mut grace), 0);
}

#[cfg(not(loom))]
#[test]
fn who_waits_is_told_once() {
    let quiescence = with_cpus(&[0, 1, 2]);
    let _ = quiescence.begin(0);
    let _ = quiescence.begin(2);
    assert_eq!(quiescence.pass(1, false), 1 << 0 | 1 << 2);
    assert_eq!(quiescence.pass(1, false), 0);
    assert_eq!(quiescence.pass(0, false), 1 << 2);
}

#[cfg(loom)]
mod loom {
    use std::sync::Arc;

    use ::loom::sync::atomic::AtomicBool;
    use ::loom::thread;

    use super::*;

    /// An object: whether something links to it, and whether it is freed.
    struct World {
        quiescence: Quiescence,
        linked: AtomicBool,
        freed: AtomicBool,
    }

    impl World {
        fn new() -> Arc<Self> {
            let world = Self {
                quiescence: Quiescence::new(),
                linked: AtomicBool::new(true),
                freed: AtomicBool::new(false),
            };
            world.quiescence.join(0);
            world.quiescence.join(1);
            Arc::new(world)
        }

        /// What CPU 1 does in a kernel entry.
        fn look(&self) {
            if self.linked.load(Ordering::Acquire) {
                assert!(!self.freed.load(Ordering::Acquire), "used after its end");
                thread::yield_now();
                assert!(!self.freed.load(Ordering::Acquire), "used after its end");
            }
        }

        /// What CPU 0 does; true if the object is freed.
        fn unlink_and_free(&self) -> bool {
            self.linked.store(false, Ordering::Release);
            let mut grace = begin(&self.quiescence);
            let is_over = self.quiescence.lagging(&mut grace) == 0;
            if is_over {
                self.freed.store(true, Ordering::Release);
            }
            is_over
        }
    }

    #[test]
    fn nothing_ends_while_a_cpu_that_woke_looks_at_it() {
        ::loom::model(|| {
            let world = World::new();
            world.quiescence.pass(1, true);
            let other = Arc::clone(&world);
            let cpu = thread::spawn(move || {
                other.quiescence.wake(1);
                other.look();
                other.quiescence.pass(1, true);
            });
            world.unlink_and_free();
            cpu.join().unwrap();
        });
    }

    #[test]
    fn nothing_ends_before_a_cpu_has_left_the_kernel() {
        ::loom::model(|| {
            let world = World::new();
            let other = Arc::clone(&world);
            let cpu = thread::spawn(move || {
                other.look();
                other.quiescence.pass(1, false)
            });
            let is_freed = world.unlink_and_free();
            let told = cpu.join().unwrap();
            // Who waits interrupts, so the CPU passes once more.
            assert!(is_freed || told | world.quiescence.pass(1, false) == 1);
        });
    }

    #[test]
    fn nothing_ends_while_a_cpu_that_was_in_user_mode_looks_at_it() {
        ::loom::model(|| {
            let world = World::new();
            let other = Arc::clone(&world);
            let cpu = thread::spawn(move || {
                other.quiescence.pass(1, false);
                // The next entry.
                other.look();
                other.quiescence.pass(1, false);
            });
            world.unlink_and_free();
            cpu.join().unwrap();
        });
    }
}
