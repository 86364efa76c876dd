//! An operation in the middle of which interrupts come.

use l4_abi::flexpage::Flexpage;
use l4_abi::item::{ItemControl, ItemFlags};
use l4_abi::protocol::task::UnmapMask;
use l4_abi::rights::MemoryRights;
use l4_sys::OwnedCap;
use l4_sys::object::Task;

use crate::memory::{self, PAGE, PAGE_ORDER};
use crate::own;

const ORDER: u32 = 21;

/// Many small pages that another task has too.
pub struct LongOperation {
    pages: u64,
    _task: OwnedCap<Task>,
}

impl LongOperation {
    /// Maps the pages.
    #[expect(clippy::new_without_default, reason = "it takes long")]
    pub fn new() -> Self {
        let pages = memory::allocate(ORDER);
        let task = own::factory().create_task(Flexpage::NIL).unwrap();
        for page in (pages..pages + (1 << ORDER)).step_by(PAGE as usize) {
            let to = ItemControl::map(page ^ PAGE, ItemFlags::empty());
            let page = Flexpage::memory(page, PAGE_ORDER, MemoryRights::RWX);
            task.map(own::task(), to, page).unwrap();
        }
        Self { pages, _task: task }
    }

    /// Takes no right away from any of them.
    pub fn run(&self) {
        let nothing = Flexpage::memory(self.pages, ORDER, MemoryRights::empty());
        own::task().unmap(nothing, UnmapMask::OTHER_SPACES).unwrap();
    }
}
