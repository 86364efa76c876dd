//! References on two CPUs, in every order. A thread is a CPU. That no CPU
//! frees what another one still looks at is the grace period, for which a test
//! joins the other CPU's thread.

use std::sync::Arc;

use ::loom::cell::UnsafeCell;
use ::loom::thread;

use super::*;
use crate::sync::AtomicBool;

/// Notices when it is read and dropped at the same time, and each drop.
struct Watched {
    value: UnsafeCell<u64>,
    drops: Arc<std::sync::atomic::AtomicUsize>,
}

// SAFETY: loom checks the accesses.
unsafe impl Send for Watched {}
// SAFETY: likewise.
unsafe impl Sync for Watched {}

impl Watched {
    fn read(&self) -> u64 {
        // SAFETY: loom checks that nobody writes.
        self.value.with(|value| unsafe { *value })
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // SAFETY: loom checks that nobody reads.
        self.value.with_mut(|value| unsafe { *value = 0 });
        self.drops
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    }
}

struct Setup {
    heap: Arc<Heap>,
    slot: Arc<Slot<()>>,
    drops: Arc<std::sync::atomic::AtomicUsize>,
}

impl Setup {
    /// A slot with an object in it.
    fn new() -> Self {
        let setup = Self {
            heap: Arc::new(Heap::new()),
            slot: Arc::new(Slot::empty()),
            drops: Arc::default(),
        };
        let object = setup.object(0);
        setup.slot.replace(Some((object.into_any(), 1)));
        setup
    }

    fn object(&self, place: usize) -> Ref<(), Watched> {
        let value = Watched {
            value: UnsafeCell::new(7),
            drops: self.drops.clone(),
        };
        self.heap.object(place, value)
    }

    fn drops(&self) -> usize {
        self.drops.load(std::sync::atomic::Ordering::Relaxed)
    }
}

/// Runs `other` on CPU 1, and then what it returns on with it.
fn spawn(other: impl FnOnce(&mut PerCpu<()>) + 'static) -> thread::JoinHandle<()> {
    thread::spawn(move || other(&mut PerCpu::new(1, ())))
}

#[test]
fn the_last_of_two_to_let_go_makes_an_object_die() {
    ::loom::model(|| {
        let setup = Setup::new();
        let (object, _) = setup.slot.replace(None).expect("it is there");
        let other = object.clone();
        let cpu1 = spawn(move |_| {
            assert_eq!(other.downcast::<Watched>().map(Watched::read), Some(7));
            drop(other);
        });
        drop(object);
        cpu1.join().expect("no panic");
        assert_eq!(setup.heap.reap(&mut PerCpu::new(0, ())), 1);
        assert_eq!(setup.drops(), 1);
    });
}

#[test]
fn what_is_in_a_slot_can_be_read_while_it_is_taken_away() {
    ::loom::model(|| {
        let setup = Setup::new();
        let slot = setup.slot.clone();
        let cpu1 = spawn(move |cpu| {
            if let Some((header, bits)) = slot.get(cpu) {
                assert_eq!(
                    (header.downcast::<Watched>().map(Watched::read), bits),
                    (Some(7), 1)
                );
            }
        });
        drop(setup.slot.replace(None));
        cpu1.join().expect("no panic");
        assert_eq!(setup.heap.reap(&mut PerCpu::new(0, ())), 1);
    });
}

#[test]
fn two_that_replace_get_different_objects_out() {
    ::loom::model(|| {
        let setup = Setup::new();
        let (one, other) = (setup.object(1), setup.object(2));
        let slot = setup.slot.clone();
        let cpu1 = spawn(move |_| drop(slot.replace(Some((one.into_any(), 2)))));
        drop(setup.slot.replace(Some((other.into_any(), 3))));
        cpu1.join().expect("no panic");
        let cpu = &mut PerCpu::new(0, ());
        assert_eq!(setup.heap.reap(cpu), 2);
        drop(setup.slot.replace(None));
        assert_eq!(setup.heap.reap(cpu), 1);
        assert_eq!(setup.drops(), 3);
    });
}

#[test]
fn a_reference_made_while_the_last_one_goes_keeps_the_object() {
    ::loom::model(|| {
        let setup = Setup::new();
        let slot = setup.slot.clone();
        let kept = Arc::new(Slot::<()>::empty());
        let keep = kept.clone();
        let cpu1 = spawn(move |cpu| {
            if let Some((header, _)) = slot.get(cpu) {
                keep.replace(Some((header.any_ref(), 0)));
            }
        });
        drop(setup.slot.replace(None));
        cpu1.join().expect("no panic");
        let cpu = &mut PerCpu::new(0, ());
        let freed = setup.heap.reap(cpu);
        assert_eq!(freed, usize::from(kept.is_empty()));
        drop(kept.replace(None));
        assert_eq!(freed + setup.heap.reap(cpu), 1);
        assert_eq!(setup.drops(), 1);
    });
}

#[test]
fn a_reference_made_and_dropped_while_the_last_one_goes_changes_nothing() {
    ::loom::model(|| {
        let setup = Setup::new();
        let slot = setup.slot.clone();
        let cpu1 = spawn(move |cpu| {
            if let Some((header, _)) = slot.get(cpu) {
                drop(header.any_ref());
            }
        });
        drop(setup.slot.replace(None));
        cpu1.join().expect("no panic");
        assert_eq!(setup.heap.reap(&mut PerCpu::new(0, ())), 1);
        assert_eq!(setup.drops(), 1);
    });
}

#[test]
fn each_dead_object_is_freed_by_one_of_two_cpus() {
    ::loom::model(|| {
        let setup = Setup::new();
        let objects = [setup.object(1), setup.object(2)];
        drop(setup.slot.replace(None));
        let heap = setup.heap.clone();
        let cpu1 = thread::spawn(move || heap.reap(&mut PerCpu::new(1, ())));
        drop(objects);
        let freed = setup.heap.reap(&mut PerCpu::new(0, ()));
        let freed = freed + cpu1.join().expect("no panic");
        assert_eq!(freed, 3);
        assert_eq!(setup.drops(), 3);
    });
}

#[test]
fn an_object_that_two_cpus_queue_is_queued_once_and_dies_once() {
    ::loom::model(|| {
        let setup = Setup::new();
        drop(setup.object(1));
        let is_queued = Arc::new(AtomicBool::new(false));
        let queues: Arc<[Queue<()>; 2]> = Arc::new([Queue::new(), Queue::new()]);
        let (slot, other, queued) = (setup.slot.clone(), queues.clone(), is_queued.clone());
        let cpu1 = spawn(move |cpu| {
            if let Some((header, _)) = slot.get(cpu) {
                other[1].push_once(header, &queued);
            }
        });
        let (object, _) = setup.slot.replace(None).expect("it is there");
        queues[0].push_once(&object, &is_queued);
        drop(object);
        cpu1.join().expect("no panic");
        let objects = queues.each_ref().map(Queue::pop);
        assert_eq!(objects.iter().flatten().count(), 1);
        drop(objects);
        assert_eq!(setup.heap.reap(&mut PerCpu::new(0, ())), 2);
        assert_eq!(setup.drops(), 2);
    });
}
