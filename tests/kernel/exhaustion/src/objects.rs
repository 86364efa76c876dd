//! Objects.

use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::rights::MemoryRights;
use l4_test::abi::utcb::AREA_MAX_ORDER;
use l4_test::other_task::FREE;
use l4_test::own;
use l4_test::sys::object::Factory;
use l4_test::sys::{AnyObject, Cap, OwnedCap, Result};

use crate::alone::{Hoard, check};

type Make = fn(Cap<Factory>) -> Result<OwnedCap<AnyObject>>;

const KINDS: [(&str, Make); 6] = [
    ("gates", |factory| Ok(factory.create_unbound_gate()?.cast())),
    ("threads", |factory| Ok(factory.create_thread()?.cast())),
    ("tasks", |factory| {
        Ok(factory.create_task(Flexpage::NIL)?.cast())
    }),
    ("factories", |factory| {
        Ok(factory.create_factory(4096)?.cast())
    }),
    ("interrupts", |factory| Ok(factory.create_irq()?.cast())),
    ("semaphores", |factory| {
        Ok(factory.create_semaphore()?.cast())
    }),
];

pub(crate) fn objects_of_each_kind() {
    for (kind, make) in KINDS {
        check(128 << 10, |factory, others_work| {
            let mut made = Hoard::new();
            assert!(made.fill(|| make(factory)) > 4, "{kind}");
            others_work();
        });
    }
}

/// What the root factory can make, which has no limit but this: large objects, then smaller ones.
fn use_up() -> [usize; 3] {
    let factory = own::factory();
    let area = Flexpage::memory(FREE, AREA_MAX_ORDER, MemoryRights::RW);
    let (mut large, mut middle, mut small) = (Hoard::new(), Hoard::new(), Hoard::new());
    [
        large.fill(|| factory.create_task(area)),
        middle.fill(|| factory.create_task(Flexpage::NIL)),
        small.fill(|| factory.create_semaphore()),
    ]
}

pub(crate) fn all_kernel_memory_there_is() {
    // All slots of the task get their tables.
    for _ in 0..8 {
        use_up();
    }
    let before = use_up();
    assert!(before[0] > 50, "{before:?}");
    for _ in 0..3 {
        assert_eq!(use_up(), before);
    }
}
