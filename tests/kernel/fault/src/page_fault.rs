//! Page faults.

use l4_test::abi::exception::{ExceptionFrame, FaultWord};
use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::protocol::task::UnmapMask;
use l4_test::abi::protocol::thread::ExRegsFlags;
use l4_test::abi::rights::MemoryRights;
use l4_test::abi::utcb::BufferDescriptor;
use l4_test::fault::{Touch, read, spawn_paged, write};
use l4_test::memory::{PAGE_ORDER, UNUSED, allocate, load, store};
use l4_test::message::{wait, word};
use l4_test::sys::object::Control;
use l4_test::sys::{Object, Utcb};
use l4_test::{Message, own, spawn};

use crate::arch;
use crate::handler::{await_exception, await_page_fault, page_item};

pub(crate) fn unmap(address: u64) {
    let flexpage = Flexpage::memory(address, PAGE_ORDER, MemoryRights::RWX);
    own::task().unmap(flexpage, UnmapMask::ALL_SPACES).unwrap();
}

fn fault(address: u64, flags: u64) -> Touch {
    Touch::Fault(FaultWord::new(address, flags))
}

pub(crate) fn the_pager_sees_address_access_and_place() {
    assert_eq!(read(UNUSED + 0x128), fault(UNUSED + 0x128, arch::READ));
    assert_eq!(write(UNUSED + 0x128, 1), fault(UNUSED + 0x128, arch::WRITE));
    let worker = spawn_paged(|| arch::load_here(UNUSED));
    let (address, place) = await_page_fault();
    assert_eq!(address, UNUSED | arch::READ);
    assert_eq!(place, arch::place_of_load());
    drop(worker);
}

pub(crate) fn a_fetch_is_told_from_a_read() {
    let _worker = spawn_paged(|| arch::jump(UNUSED + 0x40));
    let (address, place) = await_page_fault();
    assert_eq!(address, (UNUSED + 0x40) | arch::FETCH);
    assert_eq!(place, UNUSED + 0x40);
}

pub(crate) fn missing_rights_are_told_from_missing_pages() {
    let page = allocate(PAGE_ORDER);
    let map = |rights| {
        let item = page_item(page, UNUSED, rights);
        own::task()
            .map(own::task(), item.control, item.flexpage)
            .unwrap();
    };
    map(MemoryRights::READ);
    assert_eq!(write(UNUSED, 1), fault(UNUSED, arch::WRITE_WITHOUT_RIGHT));
    let worker = spawn_paged(|| arch::jump(UNUSED));
    assert_eq!(await_page_fault().0, UNUSED | arch::FETCH_WITHOUT_RIGHT);
    drop(worker);
    unmap(UNUSED);
}

pub(crate) fn a_gate_adds_its_label() {
    let gate = own::factory().create_gate(own::thread(), 0x120).unwrap();
    let worker = spawn_paged(|| load(UNUSED));
    let control = Control {
        pager: Some(gate.selector()),
        ..Control::default()
    };
    worker.thread().control(control).unwrap();
    assert_eq!(wait().label, 0x123);
}

pub(crate) fn an_answer_with_the_page_resolves_it() {
    let page = allocate(PAGE_ORDER);
    store(page, 0x1234);
    let worker = spawn_paged(|| load(UNUSED));
    await_page_fault();
    let item = page_item(page, UNUSED, MemoryRights::READ);
    assert!(Message::new(0).item(item).reply().came());
    assert_eq!(worker.join(), 0x1234);
    unmap(UNUSED);
}

pub(crate) fn the_registers_of_the_message_are_put_back() {
    let page = allocate(PAGE_ORDER);
    let worker = spawn_paged(|| {
        let utcb = Utcb::current();
        let descriptor = BufferDescriptor::new(5, 6, 7);
        utcb.set_messages(&[1, 2, 3]);
        utcb.set_buffer_descriptor(descriptor);
        utcb.set_buffer(0, 4);
        utcb.set_buffer(1, 5);
        load(UNUSED);
        let messages = [word(0), word(1), word(2), utcb.buffer(0), utcb.buffer(1)];
        (messages, utcb.buffer_descriptor() == descriptor)
    });
    await_page_fault();
    let item = page_item(page, UNUSED, MemoryRights::READ);
    Message::new(0).words(&[7, 8, 9]).item(item).reply();
    assert_eq!(worker.join(), ([1, 2, 3, 4, 5], true));
    unmap(UNUSED);
}

pub(crate) fn an_answer_without_page_repeats_it() {
    let _worker = spawn_paged(|| load(UNUSED));
    let first = await_page_fault();
    Message::new(0).reply();
    assert_eq!(await_page_fault(), first);
}

pub(crate) fn any_positive_label_repeats_it() {
    let _worker = spawn_paged(|| load(UNUSED));
    let first = await_page_fault();
    for label in [1, 5, 0x7fff_ffff_ffff] {
        Message::new(label).reply();
        assert_eq!(await_page_fault(), first);
    }
}

fn check_exception(frame: &ExceptionFrame) {
    assert!(arch::is_page_fault(frame, UNUSED + 8), "{frame:?}");
}

pub(crate) fn a_negative_answer_makes_it_an_exception() {
    let _worker = spawn_paged(|| load(UNUSED + 8));
    let (_, place) = await_page_fault();
    Message::new(-12).reply();
    let frame = await_exception();
    assert_eq!(frame.instruction_pointer(), place);
    check_exception(&frame);
}

pub(crate) fn a_pager_that_is_gone_makes_it_an_exception() {
    let dead = spawn(|| ());
    let gate = own::factory().create_gate(dead.thread(), 0).unwrap();
    drop(dead);
    let worker = spawn_paged(|| load(UNUSED + 8));
    let control = Control {
        pager: Some(gate.selector()),
        ..Control::default()
    };
    worker.thread().control(control).unwrap();
    check_exception(&await_exception());
}

pub(crate) fn a_cancelled_fault_is_repeated_elsewhere() {
    let worker = spawn_paged(|| load(UNUSED));
    await_page_fault();
    let there = UNUSED + 0x1000;
    worker
        .thread()
        .ex_regs(Some(there), None, ExRegsFlags::CANCEL)
        .unwrap();
    assert_eq!(await_page_fault(), (there | arch::FETCH, there));
}
