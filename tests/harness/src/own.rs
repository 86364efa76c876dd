//! What a root task starts with (`abi/00`), as typed capabilities, and copies of them.

use l4_abi::capability::slot;
use l4_abi::item::ItemControl;
use l4_abi::rights::CapabilityRights;
use l4_sys::capability::Object;
use l4_sys::object::{Factory, Icu, Log, PlatformControl, Scheduler, Task, Thread};
use l4_sys::{AnyObject, Cap, OwnedCap, Slot};

/// The own task.
pub fn task() -> Cap<Task> {
    at(slot::TASK)
}

/// The root factory, without limit.
pub fn factory() -> Cap<Factory> {
    at(slot::FACTORY)
}

/// The thread that runs the tests.
pub fn thread() -> Cap<Thread> {
    at(slot::THREAD)
}

/// sigma0, everybody's pager.
pub fn pager() -> Cap<AnyObject> {
    at(slot::PAGER)
}

/// The kernel's console.
pub fn log() -> Cap<Log> {
    at(slot::LOG)
}

/// The interrupt controller.
pub fn icu() -> Cap<Icu> {
    at(slot::ICU)
}

/// Power; the same object as the interrupt controller.
pub fn platform() -> Cap<PlatformControl> {
    at(slot::ICU)
}

/// The scheduler.
pub fn scheduler() -> Cap<Scheduler> {
    at(slot::SCHEDULER)
}

/// A further capability to `object`, with these rights.
pub fn copy<T: Object>(object: Cap<T>, rights: CapabilityRights) -> OwnedCap<T> {
    let slot = Slot::allocate().expect("no slot is free");
    task()
        .map_capability(object, slot.selector().index(), rights)
        .expect("cannot copy a capability");
    slot.filled()
}

/// A further capability to `object` that does not keep it alive.
pub fn copy_weak<T: Object>(object: Cap<T>) -> OwnedCap<T> {
    let slot = Slot::allocate().expect("no slot is free");
    let item = object.pass(CapabilityRights::RWS).weak().item();
    let control = ItemControl::from_raw(item.control.raw() | slot.selector().raw());
    task()
        .map(task(), control, item.flexpage)
        .expect("cannot copy a capability");
    slot.filled()
}

fn at<T: Object>(slot: u64) -> Cap<T> {
    Cap::at(slot)
}
