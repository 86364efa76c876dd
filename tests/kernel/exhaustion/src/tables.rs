//! Tables and other memory that a task's operations take.

use l4_test::abi::error::IpcError;
use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::operation::Operation;
use l4_test::abi::rights::{CapabilityRights, MemoryRights};
use l4_test::abi::timeout::Timeout;
use l4_test::abi::utcb::AREA_MAX_ORDER;
use l4_test::hoard::USED_UP;
use l4_test::memory::{PAGE, PAGE_ORDER, allocate};
use l4_test::other_task::{End, FREE, OtherTask};
use l4_test::sys::object::{Factory, Task};
use l4_test::sys::{Cap, Error, OwnedCap, Result, Selector};
use l4_test::{Message, own};

use crate::alone::check;

/// Enough for a task, and then for something.
const QUOTA: u64 = 128 << 10;
/// Slots of a capability table, and bytes that a page table spans.
const TABLE_SLOTS: u64 = 128;
const TABLE_SPAN: u64 = 1 << 21;

fn task(factory: Cap<Factory>) -> OwnedCap<Task> {
    factory.create_task(Flexpage::NIL).unwrap()
}

/// What a mapping gives when there is no memory for it.
const MAP_FAILED: Error = Error::Ipc(IpcError::SEND_MAP_FAILED);

/// Does `step` until there is no memory left, which is this error; how often.
fn count(used_up: Error, limit: u64, step: impl Fn(u64) -> Result<()>) -> u64 {
    let failed = (0..limit).find_map(|index| step(index).err().map(|error| (index, error)));
    let (count, error) = failed.unwrap_or_else(|| panic!("more than {limit} fit"));
    assert_eq!(error, used_up);
    assert!(count > 2, "{count}");
    // What there is no memory for now there is none for again.
    assert_eq!(step(count), Err(used_up));
    count
}

pub(crate) fn capability_tables() {
    check(QUOTA, |factory, others_work| {
        let task = task(factory);
        let fill =
            |table| task.map_capability(own::thread(), table * TABLE_SLOTS, CapabilityRights::RWS);
        count(MAP_FAILED, 512, fill);
        others_work();
        // What is there is as good as before.
        assert_eq!(task.is_valid(Cap::<Task>::at(0)), Ok(true));
    });
}

/// One page at many places that few tables are enough for.
pub(crate) fn mapping_nodes() {
    let page = allocate(PAGE_ORDER);
    check(QUOTA, |factory, others_work| {
        let other = OtherTask::made_by(factory).unwrap();
        let places = count(MAP_FAILED, 10_000, |place| {
            other.map(page, FREE + place * PAGE)
        });
        assert!(places > 100, "{places}");
        others_work();
    });
}

pub(crate) fn page_tables() {
    let page = allocate(PAGE_ORDER);
    check(QUOTA, |factory, others_work| {
        let other = OtherTask::made_by(factory).unwrap();
        count(MAP_FAILED, 1000, |place| {
            other.map(page, FREE + place * TABLE_SPAN)
        });
        others_work();
    });
}

pub(crate) fn kernel_user_memory() {
    check(QUOTA, |factory, others_work| {
        let task = task(factory);
        let size = 1 << PAGE_ORDER;
        let add = |place| {
            let area = Flexpage::memory(FREE + place * size, PAGE_ORDER, MemoryRights::RW);
            task.add_kernel_user_memory(area).map(|_| ())
        };
        count(USED_UP, 1000, add);
        others_work();
        let large = Flexpage::memory(FREE + (1 << 30), AREA_MAX_ORDER, MemoryRights::RW);
        assert_eq!(task.add_kernel_user_memory(large), Err(USED_UP));
    });
}

/// A space has at most 1024 of them, whatever it can pay.
pub(crate) fn chunks_of_kernel_user_memory() {
    check(5 << 20, |factory, others_work| {
        let task = task(factory);
        let add = |place| {
            let area = Flexpage::memory(FREE + place * PAGE, PAGE_ORDER, MemoryRights::RW);
            task.add_kernel_user_memory(area).map(|_| ())
        };
        assert_eq!(count(USED_UP, 2000, add), 1024);
        others_work();
    });
}

/// How many pages of reply slots the calling thread's task can pay for.
fn use_up_reply_slots() -> u64 {
    const PAGE_SLOTS: u64 = 512;
    let unusable = |page: &u64| {
        let wait = Message::new(0).receive_timeout(Timeout::ZERO);
        let reply = wait.operate(Selector::reply(page * PAGE_SLOTS), Operation::WAIT);
        reply.outcome() != Err(Error::Ipc(IpcError::RECEIVE_TIMEOUT))
    };
    (0..512).find(unusable).unwrap_or(u64::MAX)
}

pub(crate) fn reply_slots() {
    check(256 << 10, |factory, others_work| {
        let other = OtherTask::made_by(factory).unwrap();
        let End::Value(pages) = other.run(use_up_reply_slots) else {
            panic!("no count");
        };
        assert!((1..64).contains(&pages), "{pages}");
        others_work();
        assert_eq!(other.run(|| 5), End::Value(5));
    });
}
