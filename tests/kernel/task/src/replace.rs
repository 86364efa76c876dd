//! Mapping to where something is already, and to where nothing can be.

use l4_test::abi::error::IpcError;
use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::item::{CacheMode, ItemControl, ItemFlags};
use l4_test::abi::protocol::task::UnmapMask;
use l4_test::abi::rights::{CapabilityRights, MemoryRights};
use l4_test::fault::access;
use l4_test::memory::{PAGE, PAGE_ORDER, UNUSED, allocate, load, store};
use l4_test::sys::object::IpcGate;
use l4_test::sys::{Object, OwnedCap, Utcb};
use l4_test::{failed, own};

use crate::map::{LARGE_ORDER, clear, map};

const RW: MemoryRights = MemoryRights::RW;

fn alias(from: u64, to: u64, order: u32) {
    map((own::task(), from), (own::task(), to), order, RW);
}

pub(crate) fn another_page_takes_the_place_and_all_that_came_of_it() {
    let [first, second] = [11, 22].map(|value| {
        let page = allocate(PAGE_ORDER);
        store(page, value);
        page
    });
    alias(first, UNUSED, PAGE_ORDER);
    alias(UNUSED, UNUSED + PAGE, PAGE_ORDER);
    alias(second, UNUSED, PAGE_ORDER);
    assert_eq!(load(UNUSED), 22);
    assert_eq!(access(UNUSED + PAGE), (false, false));
    clear(UNUSED, PAGE_ORDER);
}

pub(crate) fn kernel_user_memory_is_no_target() {
    let utcb = Utcb::current().address() as u64;
    let page = allocate(PAGE_ORDER);
    store(page, 1);
    alias(page, utcb & !(PAGE - 1), PAGE_ORDER);
    Utcb::current().set_message(0, 77);
    assert_eq!((load(utcb), load(page)), (77, 1));
}

pub(crate) fn addresses_beyond_the_user_range_are_skipped() {
    let page = allocate(PAGE_ORDER);
    for address in [1 << 62, 1 << 63, !(PAGE - 1)] {
        alias(page, address, PAGE_ORDER);
    }
    assert_eq!(access(page), (true, true));
}

/// Where nothing smaller than a large page has ever been mapped.
const FRESH: u64 = UNUSED + (1 << 28);

pub(crate) fn a_part_of_a_large_page_takes_all_of_it() {
    let memory = allocate(LARGE_ORDER);
    alias(memory, FRESH, LARGE_ORDER);
    assert_eq!(access(FRESH), (true, true));
    clear(FRESH + 17 * PAGE, PAGE_ORDER);
    let present = [0, 17, 18].map(|page| access(FRESH + page * PAGE).0);
    assert_eq!(present, [false; 3]);
    assert_eq!(access(memory + 17 * PAGE), (true, true));
}

pub(crate) fn a_part_granted_of_a_large_page_is_mapped() {
    let memory = allocate(LARGE_ORDER);
    alias(memory, FRESH, LARGE_ORDER);
    store(FRESH + PAGE, 0x5a);
    let control = ItemControl::map(UNUSED, ItemFlags::GRANT);
    let part = Flexpage::memory(FRESH + PAGE, PAGE_ORDER, RW);
    own::task().map(own::task(), control, part).unwrap();
    assert_eq!(access(UNUSED), (true, true));
    assert_eq!(access(FRESH + PAGE), (true, true));
    assert_eq!(load(UNUSED), 0x5a);
    clear(UNUSED, PAGE_ORDER);
    clear(FRESH, LARGE_ORDER);
}

/// That the mapping works. What it does to the cache no program can tell, and the emulator has none:
/// which attributes the kernel writes is for its host tests (`mapping`, `entry_format`).
pub(crate) fn the_cache_mode_can_be_another() {
    let page = allocate(PAGE_ORDER);
    for mode in [
        CacheMode::Uncached,
        CacheMode::Bufferable,
        CacheMode::Cached,
    ] {
        store(page, 0);
        let control = ItemControl::map(UNUSED, mode.flags());
        let flexpage = Flexpage::memory(page, PAGE_ORDER, RW);
        own::task().map(own::task(), control, flexpage).unwrap();
        store(UNUSED, 0xcac4e);
        assert_eq!(load(UNUSED), 0xcac4e, "{mode:?}");
        clear(UNUSED, PAGE_ORDER);
    }
}

pub(crate) fn without_kernel_memory_a_mapping_fails() {
    let factory = own::factory().create_factory(48 * 1024).unwrap();
    let task = factory.create_task(Flexpage::NIL).unwrap();
    let page = allocate(PAGE_ORDER);
    // Each page needs tables of its own.
    let mapped = (0..64).find_map(|gigabyte| {
        let control = ItemControl::map(gigabyte << 30, ItemFlags::empty());
        let flexpage = Flexpage::memory(page, PAGE_ORDER, RW);
        task.map(own::task(), control, flexpage).err()
    });
    assert_eq!(mapped, failed::<()>(IpcError::SEND_MAP_FAILED).err());
    // The task is as it was, and what goes makes room.
    task.unmap(
        Flexpage::whole_memory().with_rights(7),
        UnmapMask::ALL_SPACES,
    )
    .unwrap();
    map((own::task(), page), (task.as_cap(), 0x5000), PAGE_ORDER, RW);
}

fn gate() -> OwnedCap<IpcGate> {
    own::factory().create_gate(own::thread(), 0x10).unwrap()
}

fn is_valid(gate: &OwnedCap<IpcGate>) -> bool {
    own::task().is_valid(gate.as_cap()).unwrap()
}

/// Maps the capability in one slot to another.
fn put(from: &OwnedCap<IpcGate>, to: &OwnedCap<IpcGate>) {
    let index = to.selector().index();
    own::task()
        .map_capability(from.as_cap(), index, CapabilityRights::RWSD)
        .unwrap();
}

pub(crate) fn a_capability_upon_itself_is_lost() {
    let gate = gate();
    let [copy, other] = [(); 2].map(|()| own::copy(gate.as_cap(), CapabilityRights::RWS));
    put(&copy, &copy);
    assert_eq!([&gate, &copy, &other].map(is_valid), [true, false, true]);
    // With the D right it takes the object with it.
    put(&gate, &gate);
    assert_eq!([&gate, &other].map(is_valid), [false; 2]);
}

pub(crate) fn a_capability_of_the_same_object_takes_the_place() {
    let gate = gate();
    let [one, other] = [(); 2].map(|()| own::copy(gate.as_cap(), CapabilityRights::RW));
    put(&one, &other);
    assert_eq!([&gate, &one, &other].map(is_valid), [true; 3]);
    // The slot that is filled has the D right, so its object goes first.
    put(&one, &gate);
    assert_eq!([&gate, &one, &other].map(is_valid), [false; 3]);
}
