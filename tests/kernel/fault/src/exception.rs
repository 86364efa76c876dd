//! Exceptions.

use l4_test::abi::exception::FRAME_WORDS;
use l4_test::abi::protocol::thread::ExRegsFlags;
use l4_test::abi::rights::MemoryRights;
use l4_test::fault::{access, spawn_paged};
use l4_test::memory::{PAGE_ORDER, UNUSED, allocate};
use l4_test::message::word;
use l4_test::sys::object::Control;
use l4_test::sys::{Selector, Utcb};
use l4_test::worker::settle;
use l4_test::{Message, Worker};

use crate::arch;
use crate::handler::{answer, await_exception, page_item};
use crate::page_fault::unmap;

/// A thread that executes an undefined instruction with 41 in a register, and returns the register.
fn worker() -> Worker<u64> {
    spawn_paged(|| arch::undefined(41))
}

pub(crate) fn the_handler_sees_the_registers() {
    let worker = worker();
    let frame = await_exception();
    assert!(arch::is_undefined(&frame), "{frame:?}");
    assert_eq!(arch::register(&frame), 41);
    assert_eq!(frame.instruction_pointer(), arch::place_of_undefined());
    arch::check_environment(&frame, worker.utcb_address());
}

pub(crate) fn the_answer_changes_the_registers() {
    let worker = worker();
    let mut frame = await_exception();
    arch::set_register(&mut frame, 42);
    arch::skip(&mut frame);
    answer(0, &frame);
    assert_eq!(worker.join(), 42);
}

pub(crate) fn the_label_of_the_answer_does_not_matter() {
    for label in [-1, -12, 5] {
        let worker = worker();
        let mut frame = await_exception();
        arch::skip(&mut frame);
        answer(label, &frame);
        assert_eq!(worker.join(), 41, "{label}");
    }
}

pub(crate) fn a_short_answer_changes_nothing() {
    let _worker = worker();
    let first = await_exception();
    let mut frame = first;
    arch::skip(&mut frame);
    arch::set_register(&mut frame, 42);
    for count in [0, 1, FRAME_WORDS - 1] {
        let words = frame.to_words();
        Message::new(0).words(&words[..count]).reply();
        let again = await_exception();
        assert_eq!(arch::register(&again), 41, "{count} words");
        assert_eq!(again.instruction_pointer(), first.instruction_pointer());
    }
}

pub(crate) fn a_longer_answer_counts_too() {
    let worker = worker();
    let mut frame = await_exception();
    arch::skip(&mut frame);
    let mut words = [0; FRAME_WORDS + 3];
    words[..FRAME_WORDS].copy_from_slice(&frame.to_words());
    Message::new(0).words(&words).reply();
    assert_eq!(worker.join(), 41);
}

pub(crate) fn the_answer_can_map_pages() {
    let page = allocate(PAGE_ORDER);
    let worker = worker();
    let mut frame = await_exception();
    arch::skip(&mut frame);
    Message::new(0)
        .words(&frame.to_words())
        .item(page_item(page, UNUSED, MemoryRights::RW))
        .reply();
    assert_eq!(worker.join(), 41);
    assert_eq!(access(UNUSED), (true, true));
    unmap(UNUSED);
}

pub(crate) fn a_short_answer_maps_nothing() {
    let page = allocate(PAGE_ORDER);
    let _worker = worker();
    await_exception();
    Message::new(0)
        .item(page_item(page, UNUSED, MemoryRights::RW))
        .reply();
    await_exception();
    assert_eq!(access(UNUSED), (false, false));
}

pub(crate) fn the_own_message_is_left_alone() {
    let worker = spawn_paged(|| {
        let utcb = Utcb::current();
        utcb.set_messages(&[1, 2, 3]);
        utcb.set_buffer(0, 4);
        arch::undefined(0);
        [word(0), word(1), word(2), utcb.buffer(0)]
    });
    let mut frame = await_exception();
    arch::skip(&mut frame);
    answer(0, &frame);
    assert_eq!(worker.join(), [1, 2, 3, 4]);
}

pub(crate) fn without_handler_the_thread_waits_for_a_cancel() {
    let worker = worker();
    let control = Control {
        exception_handler: Some(Selector::new(0x800)),
        ..Control::default()
    };
    let thread = worker.thread();
    thread.control(control).unwrap();
    settle();
    let behind = arch::place_of_undefined() + arch::INSTRUCTION;
    // Without CANCEL nothing changes.
    thread
        .ex_regs(Some(behind), None, ExRegsFlags::empty())
        .unwrap();
    settle();
    assert!(!worker.has_ended());
    thread
        .ex_regs(Some(behind), None, ExRegsFlags::CANCEL)
        .unwrap();
    assert_eq!(worker.join(), 41);
}

pub(crate) fn registers_stay_while_the_handler_thinks() {
    let worker = worker();
    let frame = await_exception();
    let registers = worker
        .thread()
        .ex_regs(Some(0), Some(0), ExRegsFlags::empty())
        .unwrap();
    assert_eq!(registers.instruction_pointer, frame.instruction_pointer());
    let mut frame = frame;
    arch::skip(&mut frame);
    answer(0, &frame);
    assert_eq!(worker.join(), 41);
}
