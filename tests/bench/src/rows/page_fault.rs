//! Page faults of a thread in another task, which this one resolves.

use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::item::{ItemControl, ItemFlags};
use l4_test::abi::message_tag::{MessageTag, TagFlags};
use l4_test::abi::protocol::label;
use l4_test::abi::protocol::task::UnmapMask;
use l4_test::abi::rights::{CapabilityRights, MemoryRights};
use l4_test::abi::timeout::TimeoutPair;
use l4_test::memory::{self, PAGE, PAGE_ORDER};
use l4_test::own;
use l4_test::sys::ipc::{self, Arrival};
use l4_test::sys::{Selector, Utcb};

use super::OPERATIONS;
use crate::measure::{row, since};
use crate::partner::{self, Place, Stack};
use crate::{PRIORITY, arch};

/// Where the pages are missing, and get mapped.
const WINDOW: u64 = memory::UNUSED + 0x3000_0000;
/// Slot of the pager in the other task.
const PAGER: u64 = 0x300;

static STACK: Stack = Stack::new();
/// Ticks of the last sample.
static TICKS: AtomicU64 = AtomicU64::new(0);

/// Pages to map.
pub(crate) struct Rows {
    pages: u64,
}

impl Rows {
    /// Starts the thread that faults; it asks to begin first.
    pub(crate) fn new(other: &mut Place) -> Self {
        let gate = own::factory()
            .create_gate(own::thread(), 0x80)
            .expect("cannot make a gate")
            .leak();
        other
            .task
            .map_capability(gate, PAGER, CapabilityRights::RWS)
            .expect("cannot pass the pager's gate");
        let (utcb, pager) = (other.new_utcb(), Selector::new(PAGER));
        partner::start(other.task, utcb, pager, PRIORITY, STACK.with(touch)).leak();
        let rows = Self {
            pages: memory::allocate(PAGE_ORDER + OPERATIONS.ilog2()),
        };
        ipc::wait(TimeoutPair::NEVER).expect("cannot wait for the first request");
        rows
    }

    pub(crate) fn measure(&self, crowd: usize) {
        row("page-fault", crowd, OPERATIONS, || self.sample());
    }

    /// Takes the pages away, lets the thread touch them, and gives them when it faults.
    fn sample(&self) -> u64 {
        let order = PAGE_ORDER + OPERATIONS.ilog2();
        own::task()
            .unmap(
                Flexpage::memory(self.pages, order, MemoryRights::RWX),
                UnmapMask::OTHER_SPACES,
            )
            .expect("cannot take the pages back");
        let mut answer = MessageTag::EMPTY;
        while serve(answer).tag.label() == label::PAGE_FAULT {
            let utcb = Utcb::current();
            let address = utcb.message(0) & !(PAGE - 1);
            let page = self.pages + (address - WINDOW);
            utcb.set_message(0, ItemControl::map(address, ItemFlags::empty()).raw());
            utcb.set_message(
                1,
                Flexpage::memory(page, PAGE_ORDER, MemoryRights::RW).raw(),
            );
            answer = MessageTag::new(0, 0, 1, TagFlags::empty());
        }
        TICKS.load(SeqCst)
    }
}

#[inline(always)]
fn serve(answer: MessageTag) -> Arrival {
    ipc::reply_and_wait(answer, TimeoutPair::NEVER).expect("cannot answer")
}

/// Touches all pages and tells the pager, for ever.
extern "C" fn touch(_: u64) -> ! {
    loop {
        let pager = Selector::new(PAGER);
        ipc::call(pager, MessageTag::EMPTY, TimeoutPair::NEVER).expect("cannot tell the pager");
        let start = arch::counter();
        for page in 0..OPERATIONS as u64 {
            memory::load(WINDOW + page * PAGE);
        }
        TICKS.store(since(start), SeqCst);
    }
}
