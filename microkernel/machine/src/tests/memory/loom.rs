//! A quota that two CPUs use, and whose factory goes.

use std::sync::Arc;

use ::loom::cell::UnsafeCell;
use ::loom::thread;

use super::quota::Quota;
use crate::address::PhysicalAddress;
use crate::handle::Handle;
use crate::memory::KernelMemory;

const BYTES: u64 = 100;

struct World {
    quota: Quota,
    /// The memory that the quota lives in: read where it is used, written
    /// where it is freed.
    memory: UnsafeCell<u64>,
}

// SAFETY: loom checks the accesses.
unsafe impl Send for World {}
// SAFETY: likewise.
unsafe impl Sync for World {}

impl World {
    /// A quota of `limit` bytes.
    fn new(limit: u64) -> Arc<Self> {
        let memory = KernelMemory::hosted(PhysicalAddress::new(0), 1);
        let storage = memory.claim(0, size_of::<Quota>());
        let root = Handle::new(storage, Quota::root());
        let quota = Quota::split_off(root, limit, 0);
        Arc::new(Self {
            quota: quota.unwrap_or_else(|_| panic!("the root has no limit")),
            memory: UnsafeCell::new(0),
        })
    }

    /// Charges the quota, which is there. Whether it could.
    fn charge(&self) -> bool {
        self.touch();
        self.quota.charge(BYTES).is_ok()
    }

    /// Gives back what was charged. Whether that has freed the quota.
    fn credit(&self) -> bool {
        self.touch();
        self.quota.credit(BYTES) && self.free()
    }

    /// The factory goes, likewise.
    fn close(&self) -> bool {
        self.touch();
        self.quota.close() && self.free()
    }

    fn touch(&self) {
        // SAFETY: loom checks that nobody writes it.
        let freed = self.memory.with(|memory| unsafe { *memory });
        assert_eq!(freed, 0, "used after its end");
    }

    fn free(&self) -> bool {
        // SAFETY: loom checks that nobody uses it.
        self.memory.with_mut(|memory| unsafe { *memory += 1 });
        true
    }
}

#[test]
fn a_quota_is_freed_once_by_the_last_of_its_users() {
    ::loom::model(|| {
        let world = World::new(2 * BYTES);
        assert!(world.charge() && world.charge());
        let users = [world.clone(), world.clone()];
        let users = users.map(|world| thread::spawn(move || world.credit()));
        let mut freed = vec![world.close()];
        freed.extend(users.map(|user| user.join().expect("no panic")));
        assert_eq!(freed.iter().filter(|freed| **freed).count(), 1);
    });
}

/// Who has something charged may charge more while the factory goes: it can or
/// it cannot, and what it could keeps the quota.
#[test]
fn a_charge_while_the_factory_goes_keeps_the_quota_or_fails() {
    ::loom::model(|| {
        let world = World::new(2 * BYTES);
        assert!(world.charge());
        let other = world.clone();
        let user = thread::spawn(move || {
            let more = other.charge();
            (more && other.credit(), other.credit())
        });
        let closed = world.close();
        let (early, last) = user.join().expect("no panic");
        assert!(!early, "freed while something was charged");
        assert!(last != closed, "lost, or freed twice");
        assert!(world.quota.charge(BYTES).is_err(), "charged after its end");
    });
}

#[test]
fn two_charges_never_exceed_the_limit_and_are_both_counted() {
    ::loom::model(|| {
        let world = World::new(2 * BYTES - 1);
        let other = world.clone();
        let user = thread::spawn(move || other.charge());
        let own = world.charge();
        let others = user.join().expect("no panic");
        assert!(own != others, "one has room, and the other one not");
        assert!(!world.credit() && world.close(), "more or less is charged");
    });
}
