//! Memory in messages. Sender and receiver are in one task, so what is mapped is an alias.

use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::item::{MapItem, ReceiveBuffer};
use l4_test::abi::protocol::task::UnmapMask;
use l4_test::abi::rights::MemoryRights;
use l4_test::memory::{PAGE, PAGE_ORDER, UNUSED, allocate, load, store};
use l4_test::sys::Utcb;
use l4_test::{Message, own};

use crate::partner::{Received, receiver};

/// Sends `item` to a window of 2^`order` bytes at `UNUSED`.
fn send(item: MapItem, order: u32) -> Received {
    let window = Flexpage::memory(UNUSED, order, MemoryRights::empty());
    let receiver = receiver([ReceiveBuffer::WINDOW_WORD, window.raw()]);
    Message::new(0).item(item).send(*receiver.thread());
    receiver.join()
}

/// Removes what is mapped at `UNUSED`; whether the page at `offset` was there.
fn is_mapped(offset: u64) -> bool {
    // Mapping a page from a place that has none maps nothing, and says so.
    let item = MapItem::memory(UNUSED + offset, PAGE_ORDER, MemoryRights::RW);
    let aside = Flexpage::memory(UNUSED + (1 << 29), PAGE_ORDER, MemoryRights::empty());
    let receiver = receiver([ReceiveBuffer::WINDOW_WORD, aside.raw()]);
    Message::new(0).item(item).send(*receiver.thread());
    let mapped = receiver.join().words[0] & 6 == 0;
    unmap(aside.address(), PAGE_ORDER);
    mapped
}

fn unmap(address: u64, order: u32) {
    let flexpage = Flexpage::memory(address, order, MemoryRights::RWX);
    own::task().unmap(flexpage, UnmapMask::ALL_SPACES).unwrap();
}

pub(crate) fn a_page_is_shared() {
    let page = allocate(PAGE_ORDER);
    let item = MapItem::memory(page, PAGE_ORDER, MemoryRights::RW);
    let received = send(item, PAGE_ORDER);
    // Address, order 12, memory, mapped.
    assert_eq!(received.words[0], page | 0x318);
    store(page + 8, 0x1234);
    assert_eq!(load(UNUSED + 8), 0x1234);
    store(UNUSED + 16, 0x5678);
    assert_eq!(load(page + 16), 0x5678);
    unmap(UNUSED, PAGE_ORDER);
    assert!(!is_mapped(0));
}

pub(crate) fn a_large_item_is_cut_to_a_small_window() {
    let memory = allocate(14);
    store(memory + 2 * PAGE, 0xaffe);
    let mut item = MapItem::memory(memory, 14, MemoryRights::RW);
    item.control = MapItem::memory(memory + 2 * PAGE, 14, MemoryRights::RW).control;
    send(item, PAGE_ORDER);
    assert_eq!(load(UNUSED), 0xaffe);
    assert!(!is_mapped(PAGE));
    unmap(UNUSED, 16);
}

pub(crate) fn a_small_item_finds_its_place_in_a_large_window() {
    let page = allocate(PAGE_ORDER);
    store(page, 0xcafe);
    let mut item = MapItem::memory(page, PAGE_ORDER, MemoryRights::RW);
    item.control = MapItem::memory(5 * PAGE, PAGE_ORDER, MemoryRights::RW).control;
    send(item, 16);
    assert_eq!(load(UNUSED + 5 * PAGE), 0xcafe);
    assert!(!is_mapped(4 * PAGE) && !is_mapped(6 * PAGE));
    unmap(UNUSED, 16);
}

pub(crate) fn memory_that_is_not_there_maps_nothing() {
    let item = MapItem::memory(UNUSED + (1 << 28), PAGE_ORDER, MemoryRights::RW);
    assert_eq!(send(item, PAGE_ORDER).words[0] & 0x3e, 0x1a);
}

pub(crate) fn without_any_right_nothing_is_mapped() {
    let page = allocate(PAGE_ORDER);
    let item = MapItem::memory(page, PAGE_ORDER, MemoryRights::empty());
    assert_eq!(send(item, PAGE_ORDER).words[0] & 0x3e, 0x1a);
    assert!(!is_mapped(0));
}

pub(crate) fn orders_below_a_page_map_nothing() {
    let page = allocate(PAGE_ORDER);
    let small = MapItem::memory(page, 11, MemoryRights::RW);
    let received = send(small, PAGE_ORDER);
    assert_eq!(received.words[0], page | 11 << 6 | 0x18);
    assert!(!is_mapped(0));
    send(MapItem::memory(page, PAGE_ORDER, MemoryRights::RW), 11);
    assert!(!is_mapped(0));
}

pub(crate) fn kernel_user_memory_is_no_source() {
    let utcb = Utcb::current().address() as u64;
    let received = send(
        MapItem::memory(utcb, PAGE_ORDER, MemoryRights::RW),
        PAGE_ORDER,
    );
    assert!(received.outcome.is_ok());
    assert!(!is_mapped(0));
}
