//! Binding to a task.

use l4_test::abi::error::ResultCode;
use l4_test::abi::protocol::label;
use l4_test::abi::protocol::thread::ControlFlags;
use l4_test::abi::rights::CapabilityRights;
use l4_test::memory::{PAGE_ORDER, UNUSED, allocate};
use l4_test::sys::object::{Control, Task, Thread};
use l4_test::sys::{Cap, OwnedCap, Utcb};
use l4_test::{Message, Outcome, own, refused};

use crate::control::handlers;

const INVALID: Outcome = refused(ResultCode::EINVAL);

pub(crate) fn thread() -> OwnedCap<Thread> {
    own::factory().create_thread().unwrap()
}

/// The last UTCB of the runner's page, which nobody uses.
pub(crate) fn spare_utcb() -> usize {
    Utcb::current().address() + 3 * 1024
}

pub(crate) fn bind(thread: Cap<Thread>, task: Cap<Task>, utcb: usize) -> Outcome {
    let control = Control {
        bind: Some((task, utcb)),
        ..Control::default()
    };
    thread.control(control).map(|()| 0)
}

pub(crate) fn a_thread_is_bound_once() {
    let thread = thread();
    assert_eq!(bind(thread.as_cap(), own::task(), spare_utcb()), Ok(0));
    assert_eq!(bind(thread.as_cap(), own::task(), spare_utcb()), INVALID);
}

pub(crate) fn a_task_is_needed() {
    let thread = thread();
    let flags = ControlFlags::BIND_TASK.bits();
    let words = [flags, 0, 0, 0, 0, spare_utcb() as u64];
    let request = Message::new(label::THREAD).words(&words);
    assert_eq!(request.call(**thread).outcome(), INVALID);
    assert_eq!(request.raw_item(0, 0).call(**thread).outcome(), INVALID);
    let other = request.capability(own::factory(), CapabilityRights::RWS);
    assert_eq!(other.call(**thread).outcome(), INVALID);
}

pub(crate) fn the_special_right_is_needed_on_the_task() {
    let thread = thread();
    let weak = own::copy(own::task(), CapabilityRights::RW);
    let refusal = refused(ResultCode::EPERM);
    // What `Control` passes of the capability's rights does not matter, it has no S.
    assert_eq!(bind(thread.as_cap(), weak.as_cap(), spare_utcb()), refusal);
}

pub(crate) fn the_utcb_must_lie_in_kernel_user_memory() {
    let thread = thread();
    let page = Utcb::current().address();
    let wrong = [
        0,
        UNUSED as usize,
        allocate(PAGE_ORDER) as usize,
        page - 1024,
        // Its end lies behind the page.
        page + 4096 - 1016,
        usize::MAX & !7,
    ];
    for utcb in wrong {
        let outcome = bind(thread.as_cap(), own::task(), utcb);
        assert_eq!(outcome, INVALID, "{utcb:#x}");
    }
}

pub(crate) fn the_utcb_must_be_aligned() {
    let thread = thread();
    let utcb = spare_utcb() - 1024;
    for odd in [1, 2, 4] {
        assert_eq!(bind(thread.as_cap(), own::task(), utcb + odd), INVALID);
    }
    assert_eq!(bind(thread.as_cap(), own::task(), utcb + 8), Ok(0));
}

pub(crate) fn a_failed_binding_leaves_the_pager() {
    let thread = thread();
    let before = handlers(thread.as_cap());
    let control = Control {
        pager: Some(l4_test::sys::Selector::new(5)),
        bind: Some((own::task(), 0)),
        ..Control::default()
    };
    assert_eq!(thread.control(control).map(|()| 0), INVALID);
    assert_eq!(handlers(thread.as_cap()), before);
}
