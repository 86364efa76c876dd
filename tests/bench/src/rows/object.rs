//! Objects from their creation to their end.

use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::rights::MemoryRights;
use l4_test::memory::PAGE_ORDER;
use l4_test::own;
use l4_test::sys::object::Thread;
use l4_test::sys::{Object, OwnedCap, ipc};

use crate::measure::{between, row, since};
use crate::partner::{Place, Stack, start};
use crate::{PRIORITY, arch};

/// Operations of a sample here.
const OPERATIONS: usize = 16;
/// Where a new task has its UTCBs.
const UTCBS: u64 = 0x7000_0000;

static STACK: Stack = Stack::new();
/// The counter at the first instruction of the last thread.
static STARTED: AtomicU64 = AtomicU64::new(0);

/// The UTCB of the threads that are made, one after the other.
pub(crate) struct Rows {
    utcb: u64,
}

impl Rows {
    pub(crate) fn new(own: &mut Place) -> Self {
        Self {
            utcb: own.new_utcb(),
        }
    }

    pub(crate) fn measure(&self, crowd: usize) {
        row("thread-start", crowd, OPERATIONS, || {
            repeat(|| {
                let begin = arch::counter();
                let thread = self.start_thread();
                let ticks = between(begin, STARTED.load(SeqCst));
                thread.delete();
                ticks
            })
        });
        row("gate-create-delete", crowd, OPERATIONS, || {
            repeat(|| {
                let begin = arch::counter();
                own::factory()
                    .create_gate(own::thread(), 0)
                    .expect("cannot make a gate")
                    .delete();
                since(begin)
            })
        });
        row("thread-create-delete", crowd, OPERATIONS, || {
            repeat(|| {
                let begin = arch::counter();
                self.start_thread().delete();
                since(begin)
            })
        });
        row("task-create-delete", crowd, OPERATIONS, || {
            repeat(|| {
                let begin = arch::counter();
                own::factory()
                    .create_task(Flexpage::memory(UTCBS, PAGE_ORDER, MemoryRights::RW))
                    .expect("cannot make a task")
                    .delete();
                since(begin)
            })
        });
    }

    /// A thread that runs at once, until it waits.
    #[inline(always)]
    fn start_thread(&self) -> OwnedCap<Thread> {
        let pager = own::pager().selector();
        start(
            own::task(),
            self.utcb,
            pager,
            PRIORITY + 1,
            STACK.with(started),
        )
    }
}

/// The ticks of a sample of `operation`, which measures itself.
#[inline(always)]
fn repeat(mut operation: impl FnMut() -> u64) -> u64 {
    (0..OPERATIONS).map(|_| operation()).sum()
}

extern "C" fn started(counter: u64) -> ! {
    STARTED.store(counter, SeqCst);
    ipc::sleep_forever()
}
