//! Mapping and unmapping memory and capabilities in another task.

use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::protocol::task::UnmapMask;
use l4_test::abi::rights::{CapabilityRights, MemoryRights};
use l4_test::memory::{self, PAGE, PAGE_ORDER};
use l4_test::own;
use l4_test::sys::Cap;
use l4_test::sys::object::Task;

use super::OPERATIONS;
use crate::arch;
use crate::measure::{row, since};
use crate::partner::{Place, map_page};

/// Where the pages go.
const WINDOW: u64 = memory::UNUSED + 0x2000_0000;
/// First slot that capabilities go to.
const SLOTS: u64 = 0x400;

/// The other task, and pages to map there.
pub(crate) struct Rows {
    task: Cap<Task>,
    pages: u64,
}

impl Rows {
    pub(crate) fn new(other: &Place) -> Self {
        let order = PAGE_ORDER + OPERATIONS.ilog2();
        Self {
            task: other.task,
            pages: memory::allocate(order),
        }
    }

    pub(crate) fn measure(&self, crowd: usize) {
        row("page-map", crowd, OPERATIONS, || {
            let ticks = self.map();
            self.unmap();
            ticks
        });
        row("page-unmap", crowd, OPERATIONS, || {
            self.map();
            self.unmap()
        });
        row("capability-map-unmap", crowd, OPERATIONS, || {
            let start = arch::counter();
            for slot in SLOTS..SLOTS + OPERATIONS as u64 {
                self.task
                    .map_capability(own::log(), slot, CapabilityRights::RWS)
                    .expect("cannot map a capability");
                let flexpage = Flexpage::object(slot, CapabilityRights::RWSD);
                self.task
                    .unmap(flexpage, UnmapMask::ALL_SPACES)
                    .expect("cannot unmap a capability");
            }
            since(start)
        });
    }

    fn map(&self) -> u64 {
        let start = arch::counter();
        for offset in (0..OPERATIONS as u64).map(|page| page * PAGE) {
            map_page(self.task, self.pages + offset, WINDOW + offset);
        }
        since(start)
    }

    fn unmap(&self) -> u64 {
        let start = arch::counter();
        for offset in (0..OPERATIONS as u64).map(|page| page * PAGE) {
            let flexpage = Flexpage::memory(WINDOW + offset, PAGE_ORDER, MemoryRights::RWX);
            self.task
                .unmap(flexpage, UnmapMask::ALL_SPACES)
                .expect("cannot unmap a page");
        }
        since(start)
    }
}
