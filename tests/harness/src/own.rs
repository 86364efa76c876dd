//! What a root task starts with (`abi/00`), as typed capabilities.

use l4_abi::capability::slot;
use l4_sys::capability::Object;
use l4_sys::object::{Factory, Icu, Log, PlatformControl, Scheduler, Task, Thread};
use l4_sys::{AnyObject, Cap};

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

fn at<T: Object>(slot: u64) -> Cap<T> {
    Cap::at(slot)
}
