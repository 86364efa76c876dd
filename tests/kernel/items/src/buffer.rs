//! Receive buffers: how many, of which space, for whom.

use l4_test::abi::error::IpcError;
use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::item::{BufferFlags, ItemControl, ItemFlags, MapItem, ReceiveBuffer};
use l4_test::abi::protocol::task::UnmapMask;
use l4_test::abi::rights::{CapabilityRights, MemoryRights};
use l4_test::abi::utcb::BufferDescriptor;
use l4_test::memory::{PAGE_ORDER, UNUSED, allocate, load, store};
use l4_test::sys::{Cap, Object, Slot};
use l4_test::{Message, Outcome, failed, own};

use crate::partner::{gate, is_used, receiver, receiver_at};

const TOO_MUCH: Outcome = failed(IpcError::SEND_OVERFLOW);
const TOO_LITTLE: Outcome = failed(IpcError::RECEIVE_OVERFLOW);

fn slots<const N: usize>() -> [Slot; N] {
    core::array::from_fn(|_| Slot::allocate().unwrap())
}

pub(crate) fn without_buffer_an_item_overflows() {
    let gate = gate();
    let receiver = receiver([]);
    let reply = Message::new(0)
        .capability(gate.as_cap(), CapabilityRights::RWS)
        .send(*receiver.thread());
    assert_eq!(reply.outcome(), TOO_MUCH);
    assert_eq!(receiver.join().outcome, TOO_LITTLE);
}

pub(crate) fn more_items_than_buffers_overflow() {
    let (gate, [slot]) = (gate(), slots());
    let receiver = receiver([slot.buffer()]);
    let reply = Message::new(0)
        .capability(gate.as_cap(), CapabilityRights::RWS)
        .capability(gate.as_cap(), CapabilityRights::RWS)
        .send(*receiver.thread());
    assert_eq!(reply.outcome(), TOO_MUCH);
    assert_eq!(receiver.join().outcome, TOO_LITTLE);
    // What came before stays.
    assert!(is_used(slot.selector().index()));
}

pub(crate) fn a_void_item_uses_no_buffer() {
    let (gate, [slot]) = (gate(), slots());
    let receiver = receiver([slot.buffer()]);
    Message::new(0)
        .raw_item(0, 0x1234)
        .capability(gate.as_cap(), CapabilityRights::RWS)
        .send(*receiver.thread());
    let received = receiver.join();
    assert_eq!((received.words[0], received.words[2]), (0, 0x38));
    assert!(is_used(slot.selector().index()));
}

pub(crate) fn a_compound_item_keeps_the_buffer() {
    let (gate, [first, second]) = (gate(), slots());
    let receiver = receiver([first.buffer(), second.buffer()]);
    let mut item = gate.as_cap().pass(CapabilityRights::RWS).item();
    item.control = ItemControl::map(0, ItemFlags::COMPOUND);
    Message::new(0)
        .item(item)
        .capability(own::thread(), CapabilityRights::RWS)
        .send(*receiver.thread());
    assert_eq!(receiver.join().words[0], 0x39);
    let thread: Cap<l4_test::sys::object::Thread> = Cap::new(first.selector());
    assert!(own::task().is_equal(thread, own::thread()).unwrap());
    assert!(!is_used(second.selector().index()));
}

pub(crate) fn each_space_has_its_own_buffers() {
    let (gate, [slot]) = (gate(), slots());
    let page = allocate(PAGE_ORDER);
    store(page, 0xbeef);
    let window = Flexpage::memory(UNUSED, PAGE_ORDER, MemoryRights::empty());
    let buffers = [0, ReceiveBuffer::WINDOW_WORD, window.raw(), slot.buffer()];
    let receiver = receiver_at(BufferDescriptor::new(1, 0, 3), buffers);
    let reply = Message::new(0)
        .capability(gate.as_cap(), CapabilityRights::RWS)
        .item(MapItem::memory(page, PAGE_ORDER, MemoryRights::RW))
        .send(*receiver.thread());
    assert_eq!(reply.outcome(), Ok(0));
    receiver.join();
    assert!(is_used(slot.selector().index()));
    assert_eq!(load(UNUSED), 0xbeef);
    unmap_page();
}

fn unmap_page() {
    let page = Flexpage::memory(UNUSED, PAGE_ORDER, MemoryRights::RWX);
    own::task().unmap(page, UnmapMask::ALL_SPACES).unwrap();
}

pub(crate) fn a_buffer_of_another_space_maps_nothing() {
    let (gate, [slot]) = (gate(), slots());
    let window = Flexpage::memory(UNUSED, PAGE_ORDER, MemoryRights::empty());
    let takes_memory = receiver([ReceiveBuffer::WINDOW_WORD, window.raw()]);
    let reply = Message::new(0)
        .capability(gate.as_cap(), CapabilityRights::RWS)
        .send(*takes_memory.thread());
    assert_eq!(reply.outcome(), Ok(0));
    assert_eq!(takes_memory.join().words[0], 0x38);

    let takes_capabilities = receiver([slot.buffer()]);
    let page = allocate(PAGE_ORDER);
    let reply = Message::new(0)
        .item(MapItem::memory(page, PAGE_ORDER, MemoryRights::RW))
        .send(*takes_capabilities.thread());
    assert_eq!(reply.outcome(), Ok(0));
    assert_eq!(takes_capabilities.join().words[0], page | 0x318);
    assert!(!is_used(slot.selector().index()));
}

pub(crate) fn a_window_of_everything_takes_everything() {
    let everything = [ReceiveBuffer::WINDOW_WORD, Flexpage::ALL_SPACES.raw()];
    let target = Slot::allocate().unwrap();
    let receiver = receiver([everything[0], everything[1], everything[0], everything[1]]);
    let page = allocate(PAGE_ORDER);
    store(page, 0xd00d);
    let mut memory = MapItem::memory(page, PAGE_ORDER, MemoryRights::RW);
    memory.control = ItemControl::map(UNUSED, ItemFlags::empty());
    let mut object = own::thread().pass(CapabilityRights::RWS).item();
    object.control = ItemControl::map(target.selector().index() << 12, ItemFlags::empty());
    let reply = Message::new(0)
        .item(memory)
        .item(object)
        .send(*receiver.thread());
    assert_eq!(reply.outcome(), Ok(0));
    receiver.join();
    assert_eq!(load(UNUSED), 0xd00d);
    assert!(is_used(target.selector().index()));
    unmap_page();
}

fn forwarding(slot: u64, task: u64) -> [u64; 2] {
    let flags = BufferFlags::FORWARD.bits();
    [ReceiveBuffer::slot_word(slot, false) | flags, task]
}

pub(crate) fn an_item_is_forwarded_to_another_task() {
    let gate = gate();
    let task = own::factory().create_task(Flexpage::NIL).unwrap();
    let receiver = receiver(forwarding(0x33, task.selector().raw()));
    let reply = Message::new(0)
        .capability(gate.as_cap(), CapabilityRights::RWS)
        .send(*receiver.thread());
    assert_eq!(reply.outcome(), Ok(0));
    assert_eq!(receiver.join().words[0], 0x38);
    let there: Cap<l4_test::sys::object::IpcGate> = Cap::at(0x33);
    assert!(task.is_valid(there).unwrap());
    assert!(!is_used(0x33));
}

pub(crate) fn forwarding_needs_a_task_with_write_right() {
    let gate = gate();
    let task = own::factory().create_task(Flexpage::NIL).unwrap();
    let weak = own::copy(task.as_cap(), CapabilityRights::RS);
    let wrong = [
        weak.selector().raw(),
        own::thread().selector().raw(),
        0x800 << 12,
    ];
    for selector in wrong {
        let receiver = receiver(forwarding(0x33, selector));
        let reply = Message::new(0)
            .capability(gate.as_cap(), CapabilityRights::RWS)
            .send(*receiver.thread());
        assert_eq!(reply.outcome(), TOO_MUCH);
        assert_eq!(receiver.join().outcome, TOO_LITTLE);
    }
}
