//! The runner as pager and exception handler.

use l4_test::Message;
use l4_test::abi::exception::{ExceptionFrame, FRAME_WORDS};
use l4_test::abi::flexpage::Space;
use l4_test::abi::item::{ItemControl, ItemFlags, MapItem};
use l4_test::abi::message_tag::TagFlags;
use l4_test::abi::protocol::label;
use l4_test::abi::rights::MemoryRights;
use l4_test::memory::PAGE_ORDER;
use l4_test::message::{wait, word};

/// Waits for a page fault: its two words.
pub(crate) fn await_page_fault() -> (u64, u64) {
    let reply = wait();
    let shape = (reply.tag.label(), reply.tag.words(), reply.tag.items());
    assert_eq!(shape, (label::PAGE_FAULT, 2, 0));
    (word(0), word(1))
}

/// Waits for an exception: the registers.
pub(crate) fn await_exception() -> ExceptionFrame {
    let reply = wait();
    let shape = (reply.tag.label(), reply.tag.words(), reply.tag.items());
    assert_eq!(shape, (label::EXCEPTION, FRAME_WORDS, 0));
    assert_eq!(reply.tag.flags(), TagFlags::TRANSFER_FPU);
    ExceptionFrame::from_words(&core::array::from_fn(word))
}

/// Answers an exception with registers.
pub(crate) fn answer(label: i64, frame: &ExceptionFrame) {
    let reply = Message::new(label).words(&frame.to_words()).reply();
    assert!(reply.came());
}

/// The item that maps the page at `from` to `to` in whoever accepts everything.
pub(crate) fn page_item(from: u64, to: u64, rights: MemoryRights) -> MapItem {
    MapItem {
        control: ItemControl::map(to, ItemFlags::empty()),
        space: Space::Memory,
        ..MapItem::memory(from, PAGE_ORDER, rights)
    }
}
