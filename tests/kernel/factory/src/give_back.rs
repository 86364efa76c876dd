//! Making and destroying objects again and again leaves the quota as it was.

use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::item::{ItemControl, ItemFlags};
use l4_test::abi::protocol::task::UnmapMask;
use l4_test::abi::rights::{CapabilityRights, MemoryRights};
use l4_test::memory::{PAGE_ORDER, allocate};
use l4_test::own;
use l4_test::sys::Cap;
use l4_test::sys::object::{Control, Factory, Task};

use crate::quota::{factory, room};

/// How often each kind of object is made.
const CYCLES: usize = 10_000;

/// Runs `cycle` often; what the factory can make must be the same before and after.
fn check(cycle: impl Fn(Cap<Factory>)) {
    let factory = factory(96 * 1024);
    // The first time may leave memory that is kept for the next.
    cycle(factory.as_cap());
    let before = room(factory.as_cap());
    for _ in 0..CYCLES {
        cycle(factory.as_cap());
    }
    assert_eq!(room(factory.as_cap()), before);
}

pub(crate) fn gates() {
    check(|factory| drop(factory.create_gate(own::thread(), 0x10).unwrap()));
}

pub(crate) fn threads() {
    let utcb = l4_test::sys::Utcb::current().address() + 3 * 1024;
    check(|factory| {
        let thread = factory.create_thread().unwrap();
        let control = Control {
            bind: Some((own::task(), utcb)),
            ..Control::default()
        };
        thread.control(control).unwrap();
    });
}

pub(crate) fn tasks() {
    let area = Flexpage::memory(0xb300_0000, PAGE_ORDER, MemoryRights::RW);
    check(|factory| drop(factory.create_task(area).unwrap()));
}

pub(crate) fn factories() {
    check(|factory| {
        let inner = factory.create_factory(16 * 1024).unwrap();
        drop(inner.create_unbound_gate().unwrap());
    });
}

pub(crate) fn interrupts_and_semaphores() {
    check(|factory| {
        let irq = factory.create_irq().unwrap();
        irq.bind_thread(own::thread(), 1).unwrap();
        irq.trigger().unwrap();
        drop(factory.create_semaphore().unwrap());
    });
}

pub(crate) fn mappings() {
    let page = allocate(PAGE_ORDER);
    check(|factory| {
        let task = factory.create_task(Flexpage::NIL).unwrap();
        map(task.as_cap(), page, 0x40_0000);
        let there = Flexpage::memory(0x40_0000, PAGE_ORDER, MemoryRights::RWX);
        task.unmap(there, UnmapMask::ALL_SPACES).unwrap();
        // Of these the task's end takes care.
        map(task.as_cap(), page, 0x80_0000);
        map(task.as_cap(), page, 0x1_0000_0000);
        task.map_capability(own::thread(), 0x10, CapabilityRights::RWS)
            .unwrap();
        task.map_capability(own::thread(), 0x1000, CapabilityRights::RWS)
            .unwrap();
    });
}

fn map(task: Cap<Task>, from: u64, to: u64) {
    let control = ItemControl::map(to, ItemFlags::empty());
    let flexpage = Flexpage::memory(from, PAGE_ORDER, MemoryRights::RW);
    task.map(own::task(), control, flexpage).unwrap();
}

pub(crate) fn kernel_user_memory() {
    let area = Flexpage::memory(0x10_0000, 13, MemoryRights::RW);
    check(|factory| {
        let task = factory.create_task(Flexpage::NIL).unwrap();
        task.add_kernel_user_memory(area).unwrap();
    });
}
