//! Mapping between tasks.

use l4_test::abi::error::{IpcError, ResultCode};
use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::item::{ItemControl, ItemFlags};
use l4_test::abi::protocol::label;
use l4_test::abi::protocol::task::UnmapMask;
use l4_test::abi::rights::{CapabilityRights, MemoryRights};
use l4_test::abi::timeout::Timeout;
use l4_test::fault::access;
use l4_test::memory::{PAGE, PAGE_ORDER, UNUSED, allocate, load, store};
use l4_test::message::receive;
use l4_test::sys::object::Task;
use l4_test::sys::{Cap, Object, OwnedCap};
use l4_test::{Message, Outcome, failed, own, refused, spawn};

/// Order of the larger pages.
pub(crate) const LARGE_ORDER: u32 = 21;

pub(crate) fn task() -> OwnedCap<Task> {
    own::factory().create_task(Flexpage::NIL).unwrap()
}

/// Maps 2^`order` bytes from `from` in one task to `to` in another.
pub(crate) fn map(
    (source, from): (Cap<Task>, u64),
    (target, to): (Cap<Task>, u64),
    order: u32,
    rights: MemoryRights,
) {
    let control = ItemControl::map(to, ItemFlags::empty());
    let flexpage = Flexpage::memory(from, order, rights);
    target.map(source, control, flexpage).unwrap();
}

/// Removes 2^`order` bytes from the own task.
pub(crate) fn clear(address: u64, order: u32) {
    let flexpage = Flexpage::memory(address, order, MemoryRights::RWX);
    own::task().unmap(flexpage, UnmapMask::ALL_SPACES).unwrap();
}

pub(crate) fn a_page_goes_to_another_task_and_back() {
    let other = task();
    let page = allocate(PAGE_ORDER);
    store(page, 0x1234);
    let rights = MemoryRights::RW;
    map(
        (own::task(), page),
        (other.as_cap(), 0x5000),
        PAGE_ORDER,
        rights,
    );
    map(
        (other.as_cap(), 0x5000),
        (own::task(), UNUSED),
        PAGE_ORDER,
        rights,
    );
    assert_eq!(load(UNUSED), 0x1234);
    assert_eq!(access(UNUSED), (true, true));
    clear(UNUSED, PAGE_ORDER);
}

pub(crate) fn rights_only_become_fewer() {
    let other = task();
    let page = allocate(PAGE_ORDER);
    let place = (other.as_cap(), 0x5000);
    map((own::task(), page), place, PAGE_ORDER, MemoryRights::READ);
    map(place, (own::task(), UNUSED), PAGE_ORDER, MemoryRights::RWX);
    assert_eq!(access(UNUSED), (true, false));
    clear(UNUSED, PAGE_ORDER);
    // Nothing is left of a write right that the source does not have.
    map(
        place,
        (own::task(), UNUSED),
        PAGE_ORDER,
        MemoryRights::WRITE,
    );
    assert_eq!(access(UNUSED), (false, false));
}

fn request(item: impl FnOnce(Message<'_>) -> Message<'_>, task: Cap<Task>) -> Outcome {
    let page = allocate(PAGE_ORDER);
    let flexpage = Flexpage::memory(page, PAGE_ORDER, MemoryRights::RW);
    let words = [0, UNUSED | 8, flexpage.raw()];
    item(Message::new(label::TASK).words(&words))
        .call(*task)
        .outcome()
}

pub(crate) fn mapping_needs_the_write_right() {
    let other = task();
    let weak = own::copy(other.as_cap(), CapabilityRights::RS);
    let outcome = request(
        |message| message.capability(own::task(), CapabilityRights::RWS),
        weak.as_cap(),
    );
    assert_eq!(outcome, refused(ResultCode::EPERM));
}

pub(crate) fn a_source_is_needed() {
    let other = task();
    let invalid: Outcome = refused(ResultCode::EINVAL);
    assert_eq!(request(|message| message, other.as_cap()), invalid);
    assert_eq!(
        request(|message| message.raw_item(0, 0), other.as_cap()),
        invalid
    );
    let rights = CapabilityRights::RWS;
    let thread = request(
        |message| message.capability(own::thread(), rights),
        other.as_cap(),
    );
    assert_eq!(thread, invalid);
    let empty = request(
        |message| message.capability(Cap::<Task>::at(0x800), rights),
        other.as_cap(),
    );
    assert_eq!(empty, invalid);
    let memory = request(|message| message.raw_item(8, 0x1317), other.as_cap());
    assert_eq!(memory, failed(IpcError::SEND_OVERFLOW));
}

pub(crate) fn what_is_not_there_is_skipped() {
    let other = task();
    let place = (other.as_cap(), 0x5000);
    map((own::task(), UNUSED), place, PAGE_ORDER, MemoryRights::RW);
    // One page of four.
    let page = allocate(PAGE_ORDER);
    let second = (other.as_cap(), 0x5000);
    map((own::task(), page), second, PAGE_ORDER, MemoryRights::RW);
    map(
        (other.as_cap(), 0x4000),
        (own::task(), UNUSED),
        14,
        MemoryRights::RW,
    );
    let present = [0, 1, 2, 3].map(|index| access(UNUSED + index * PAGE).0);
    assert_eq!(present, [false, true, false, false]);
    clear(UNUSED, 14);
}

pub(crate) fn a_task_can_map_to_itself() {
    let page = allocate(PAGE_ORDER);
    map(
        (own::task(), page),
        (own::task(), UNUSED),
        PAGE_ORDER,
        MemoryRights::RW,
    );
    store(UNUSED, 77);
    assert_eq!(load(page), 77);
    clear(UNUSED, PAGE_ORDER);
    assert_eq!(access(UNUSED), (false, false));
}

pub(crate) fn a_better_mapping_of_the_same_page_adds_rights() {
    let page = allocate(PAGE_ORDER);
    let source = (own::task(), page);
    let target = (own::task(), UNUSED);
    map(source, target, PAGE_ORDER, MemoryRights::READ);
    assert_eq!(access(UNUSED), (true, false));
    map(source, target, PAGE_ORDER, MemoryRights::RW);
    assert_eq!(access(UNUSED), (true, true));
    map(source, target, PAGE_ORDER, MemoryRights::READ);
    assert_eq!(access(UNUSED), (true, true));
    clear(UNUSED, PAGE_ORDER);
}

pub(crate) fn a_large_page_can_be_mapped_in_parts() {
    let memory = allocate(LARGE_ORDER);
    let page = memory + 17 * PAGE;
    store(page, 0xabcd);
    map(
        (own::task(), page),
        (own::task(), UNUSED),
        PAGE_ORDER,
        MemoryRights::RW,
    );
    assert_eq!(load(UNUSED), 0xabcd);
    assert_eq!(access(UNUSED + PAGE), (false, false));
    clear(UNUSED, PAGE_ORDER);
    map(
        (own::task(), memory),
        (own::task(), UNUSED),
        LARGE_ORDER,
        MemoryRights::RW,
    );
    assert_eq!(load(UNUSED + 17 * PAGE), 0xabcd);
    clear(UNUSED, LARGE_ORDER);
}

pub(crate) fn a_granted_page_leaves_its_task() {
    let page = allocate(PAGE_ORDER);
    let [first, second] = [UNUSED, UNUSED + PAGE];
    map(
        (own::task(), page),
        (own::task(), first),
        PAGE_ORDER,
        MemoryRights::RW,
    );
    store(first, 0x900d);
    let control = ItemControl::map(second, ItemFlags::GRANT);
    let flexpage = Flexpage::memory(first, PAGE_ORDER, MemoryRights::RW);
    own::task().map(own::task(), control, flexpage).unwrap();
    assert_eq!(access(first), (false, false));
    assert_eq!(load(second), 0x900d);
    clear(UNUSED, 13);
}

pub(crate) fn capabilities_lose_the_special_right_unless_both_tasks_have_it() {
    let weak_task = own::copy(own::task(), CapabilityRights::RW);
    for (task, expected) in [(own::task(), 3), (weak_task.as_cap(), 1)] {
        let gate = own::factory().create_gate(own::thread(), 0x10).unwrap();
        let slot = l4_test::sys::Slot::allocate().unwrap();
        let index = slot.selector().index();
        task.map_capability(gate.as_cap(), index, CapabilityRights::RWS)
            .unwrap();
        let through = l4_test::sys::AnyObject::from_selector(slot.selector());
        let sender = spawn(move || {
            Message::new(0).send(through);
        });
        let reply = receive(*sender.thread(), Timeout::from_micros(50_000));
        assert_eq!(reply.label, 0x10 | expected);
    }
}

pub(crate) fn slots_beyond_the_space_are_skipped() {
    for index in [0x1_0000, 0xf_ffff, 1 << 40] {
        let mapped = own::task().map_capability(own::thread(), index, CapabilityRights::RWS);
        assert_eq!(mapped, Ok(()));
    }
    let last: Cap<l4_test::sys::AnyObject> = Cap::at(0xffff);
    own::task()
        .map_capability(own::thread(), 0xffff, CapabilityRights::RWS)
        .unwrap();
    assert_eq!(own::task().is_valid(last), Ok(true));
    own::task().release(last.selector()).unwrap();
}
