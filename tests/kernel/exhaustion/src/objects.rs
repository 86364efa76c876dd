//! Objects.

use l4_test::abi::flexpage::Flexpage;
use l4_test::hoard::{FRAGMENTS, Hoard, kernel_memory, touch_slots};
use l4_test::sys::object::Factory;
use l4_test::sys::{AnyObject, Cap, OwnedCap, Result};

use crate::alone::check;

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

/// The root factory has no limit but this.
pub(crate) fn all_kernel_memory_there_is() {
    touch_slots();
    let before = kernel_memory();
    assert!(before > 2000, "{before}");
    for _ in 0..5 {
        let after = kernel_memory();
        assert!(after + FRAGMENTS >= before, "{before} frames, then {after}");
    }
}
