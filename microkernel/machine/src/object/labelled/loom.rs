//! A place that changes while it is read, in every order.

use std::sync::Arc;

use ::loom::thread;

use super::*;
use crate::object::tests::Heap;

/// Who reads sees each object with its own label.
#[test]
fn no_object_is_seen_with_the_label_of_another() {
    ::loom::model(|| {
        let heap = Arc::new(Heap::new());
        let slot = Arc::new(LabelledSlot::<(), u64>::new(None, 0));
        slot.replace(Some(heap.object(0, 1)), 1);
        let (other_heap, other) = (heap.clone(), slot.clone());
        let writer = thread::spawn(move || {
            let new = other_heap.object(1, 2);
            other.replace(Some(new), 2)
        });
        let mut cpu = PerCpu::new(0, ());
        if let Some((object, label)) = slot.get(&cpu) {
            assert_eq!(*object, label);
        }
        // The grace period: the old one is let go of when nobody looks.
        drop(writer.join().expect("no panic"));
        drop(slot.replace(None, 0));
        assert_eq!(heap.reap(&mut cpu), 2);
    });
}
