//! How tasks end.

use l4_test::abi::error::IpcError;
use l4_test::abi::rights::MemoryRights;
use l4_test::fault::access;
use l4_test::memory::{PAGE_ORDER, UNUSED, allocate};
use l4_test::worker::settle;
use l4_test::{Message, Outcome, failed, own};

use crate::map::{map, task};

pub(crate) fn a_deleted_task_gives_back_what_it_passed_on() {
    let other = task();
    let page = allocate(PAGE_ORDER);
    map(
        (own::task(), page),
        (other.as_cap(), 0x5000),
        PAGE_ORDER,
        MemoryRights::RW,
    );
    map(
        (other.as_cap(), 0x5000),
        (own::task(), UNUSED),
        PAGE_ORDER,
        MemoryRights::RW,
    );
    assert_eq!(access(UNUSED), (true, true));
    let gone = other.as_cap();
    other.delete();
    assert_eq!(access(UNUSED), (false, false));
    assert_eq!(access(page), (true, true));
    let outcome: Outcome = Message::new(0).send(*gone).outcome();
    assert_eq!(outcome, failed(IpcError::NOT_EXISTENT));
}

pub(crate) fn a_thread_outlives_its_task_until_it_faults() {
    use l4_test::abi::flexpage::Flexpage;
    use l4_test::abi::protocol::scheduler::CpuSet;
    use l4_test::abi::protocol::thread::ExRegsFlags;
    use l4_test::sys::object::Control;

    let area = Flexpage::memory(0x10_0000, PAGE_ORDER, MemoryRights::RW);
    let task = own::factory().create_task(area).unwrap();
    let thread = own::factory().create_thread().unwrap();
    let control = Control {
        bind: Some((task.as_cap(), 0x10_0000)),
        ..Control::default()
    };
    thread.control(control).unwrap();
    task.delete();
    // It begins, faults in a task that is no more, has no pager, and dies.
    thread
        .ex_regs(Some(0x1000), Some(0), ExRegsFlags::empty())
        .unwrap();
    own::scheduler()
        .run_thread(thread.as_cap(), CpuSet::single(0), 101, 0)
        .unwrap();
    settle();
    let outcome = Message::new(0).send(**thread).outcome();
    assert_eq!(outcome, failed(IpcError::NOT_EXISTENT));
}
