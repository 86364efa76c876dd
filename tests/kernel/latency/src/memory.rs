//! Much memory.

use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::item::{ItemControl, ItemFlags, MapItem, ReceiveBuffer};
use l4_test::abi::protocol::task::UnmapMask;
use l4_test::abi::rights::MemoryRights;
use l4_test::memory::{self, PAGE, PAGE_ORDER};
use l4_test::message::{accept, accept_nothing, wait};
use l4_test::sys::object::Task;
use l4_test::sys::{Cap, OwnedCap};
use l4_test::{Message, own, spawn, suite};

use crate::crowd::{SIZE, ticker};

/// Where pages go: not a multiple of a large page, so that all are small.
const WINDOW: u64 = memory::UNUSED + 0x1000_0000 + PAGE;
/// Order of much memory, and of what is aligned like that.
const MUCH: u32 = 25;
const BLOCK: u64 = memory::UNUSED + 0x2000_0000;

fn task() -> OwnedCap<Task> {
    own::factory().create_task(Flexpage::NIL).unwrap()
}

/// Maps 2^`order` bytes of this task to `address` in `task`.
fn map(task: Cap<Task>, from: u64, order: u32, address: u64) {
    let control = ItemControl::map(address, ItemFlags::empty());
    let flexpage = Flexpage::memory(from, order, MemoryRights::RWX);
    task.map(own::task(), control, flexpage).unwrap();
}

/// Takes back what this task has passed on of a flexpage.
fn unmap(from: u64, order: u32) {
    let flexpage = Flexpage::memory(from, order, MemoryRights::RWX);
    own::task()
        .unmap(flexpage, UnmapMask::OTHER_SPACES)
        .unwrap();
}

/// So much memory in this task, in small pages.
fn small_pages(order: u32) -> u64 {
    let memory = memory::allocate(order);
    for page in 0..1 << (order - PAGE_ORDER) {
        let from = memory + page * PAGE;
        // The last page comes first.
        let to = BLOCK + ((page * PAGE) ^ PAGE);
        map(own::task(), from, PAGE_ORDER, to);
    }
    suite::is_alive();
    BLOCK
}

pub(crate) fn a_page_that_was_mapped_often_goes() {
    let page = memory::allocate(PAGE_ORDER);
    let task = task();
    for copy in 0..SIZE {
        map(task.as_cap(), page, PAGE_ORDER, WINDOW + copy * PAGE);
    }
    let _ticker = ticker();
    unmap(page, PAGE_ORDER);
    task.delete();
}

pub(crate) fn a_page_at_the_start_of_a_long_chain_goes() {
    let page = memory::allocate(PAGE_ORDER);
    map(own::task(), page, PAGE_ORDER, WINDOW);
    for link in 1..SIZE {
        let last = WINDOW + (link - 1) * PAGE;
        map(own::task(), last, PAGE_ORDER, last + PAGE);
    }
    let _ticker = ticker();
    unmap(page, PAGE_ORDER);
}

pub(crate) fn much_memory_comes_and_goes() {
    let memory = small_pages(MUCH);
    let _ticker = ticker();
    let task = task();
    map(task.as_cap(), memory, MUCH, memory);
    unmap(memory, MUCH);
    map(task.as_cap(), memory, MUCH, memory);
    task.delete();
    let all = Flexpage::memory(memory, MUCH, MemoryRights::RWX);
    own::task().unmap(all, UnmapMask::ALL_SPACES).unwrap();
}

pub(crate) fn much_memory_comes_with_a_message() {
    let memory = small_pages(MUCH);
    let receiver = spawn(|| {
        let window = Flexpage::memory(BLOCK + (1 << MUCH), MUCH, MemoryRights::RWX);
        accept(&[ReceiveBuffer::WINDOW_WORD, window.raw()]);
        wait().tag.items()
    });
    let _ticker = ticker();
    let item = MapItem::memory(memory, MUCH, MemoryRights::RWX);
    assert!(Message::new(0).item(item).send(*receiver.thread()).came());
    assert_eq!(receiver.join(), 1);
    let both = Flexpage::memory(memory, MUCH + 1, MemoryRights::RWX);
    own::task().unmap(both, UnmapMask::ALL_SPACES).unwrap();
}

pub(crate) fn much_memory_comes_with_a_reply() {
    let memory = small_pages(MUCH);
    let this = own::thread();
    let client = spawn(move || {
        let window = Flexpage::memory(BLOCK + (1 << MUCH), MUCH, MemoryRights::RWX);
        accept(&[ReceiveBuffer::WINDOW_WORD, window.raw()]);
        let answer = Message::new(1).call(*this);
        accept_nothing();
        answer.tag.items()
    });
    wait();
    let _ticker = ticker();
    let item = MapItem::memory(memory, MUCH, MemoryRights::RWX);
    assert!(Message::new(0).item(item).reply().came());
    assert_eq!(client.join(), 1);
    let both = Flexpage::memory(memory, MUCH + 1, MemoryRights::RWX);
    own::task().unmap(both, UnmapMask::ALL_SPACES).unwrap();
}

pub(crate) fn much_kernel_user_memory_comes_and_goes() {
    const ORDER: u32 = 17;
    const AREAS: usize = 60;
    let task = task();
    let mut words = [0; AREAS + 1];
    words[0] = l4_test::abi::protocol::task::Opcode::AddKernelUserMemory.word();
    for (index, word) in words[1..].iter_mut().enumerate() {
        let address = WINDOW - PAGE + ((index as u64) << ORDER);
        *word = Flexpage::memory(address, ORDER, MemoryRights::RW).raw();
    }
    let _ticker = ticker();
    let added = Message::new(l4_test::abi::protocol::label::TASK)
        .words(&words)
        .call(*task.as_cap());
    assert_eq!(added.outcome(), Ok(0));
    task.delete();
    let area = Flexpage::memory(WINDOW - PAGE, ORDER, MemoryRights::RW);
    own::factory().create_task(area).unwrap().delete();
}
