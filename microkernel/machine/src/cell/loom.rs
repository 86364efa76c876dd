//! A value that changes CPUs, in every order.

use std::sync::Arc;

use ::loom::cell::UnsafeCell;
use ::loom::thread;

use super::*;

/// Notices when two CPUs use it at the same time.
struct Watched(UnsafeCell<u64>);

// SAFETY: loom checks the accesses.
unsafe impl Send for Watched {}

impl Watched {
    /// Adds one; the new value.
    fn count(&self) -> u64 {
        self.0.with_mut(|value| {
            // SAFETY: loom checks that nobody else uses it.
            unsafe {
                *value += 1;
                *value
            }
        })
    }
}

#[test]
fn a_value_is_used_by_its_old_home_before_its_new_one() {
    ::loom::model(|| {
        let homed = Arc::new(Homed::new(0, Watched(UnsafeCell::new(0))));
        let other = homed.clone();
        let cpu1 = thread::spawn(move || {
            let mut cpu = PerCpu::new(1, ());
            if let Some(value) = other.get(&cpu) {
                assert_eq!(value.count(), 2);
                assert!(other.set_home(&mut cpu, 0));
            }
        });
        let mut cpu = PerCpu::new(0, ());
        let value = homed.get(&cpu).expect("this is its home");
        assert_eq!(value.count(), 1);
        assert!(homed.set_home(&mut cpu, 1));
        if let Some(value) = homed.get(&cpu) {
            // It came back.
            assert_eq!(value.count(), 3);
        }
        cpu1.join().expect("no panic");
    });
}
