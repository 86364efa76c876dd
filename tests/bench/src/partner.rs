//! Threads that take part in what is measured, and the tasks that they live in.

use core::cell::UnsafeCell;

use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::item::{ItemControl, ItemFlags};
use l4_test::abi::protocol::scheduler::CpuSet;
use l4_test::abi::protocol::thread::ExRegsFlags;
use l4_test::abi::rights::MemoryRights;
use l4_test::abi::utcb;
use l4_test::memory::{self, PAGE, PAGE_ORDER};
use l4_test::own;
use l4_test::sys::object::{Control, Task, Thread};
use l4_test::sys::{Cap, Object, OwnedCap, Selector};

use crate::arch;

/// Where the UTCBs lie.
const UTCBS: u64 = memory::UNUSED;
/// Order of one more area of UTCBs.
const AREA_ORDER: u32 = 17;
const AREA_SIZE: u64 = 1 << AREA_ORDER;

/// A task with room for threads. All run the code of this program, on the same memory.
pub(crate) struct Place {
    pub(crate) task: Cap<Task>,
    /// The next UTCB, and the end of those that there is memory for.
    utcb: u64,
    end: u64,
}

/// What a thread does: it gets the counter as of its first instruction.
pub(crate) type Body = extern "C" fn(u64) -> !;

impl Place {
    /// The own task.
    pub(crate) fn own() -> Self {
        Self::at(own::task())
    }

    /// Another task in which this program is mapped.
    pub(crate) fn other() -> Self {
        let task = own::factory()
            .create_task(Flexpage::NIL)
            .expect("cannot make a task")
            .leak();
        for page in memory::program_pages() {
            map_page(task, page, page);
        }
        Self::at(task)
    }

    fn at(task: Cap<Task>) -> Self {
        Self {
            task,
            utcb: UTCBS,
            end: UTCBS,
        }
    }

    /// The address of a UTCB that nobody has.
    pub(crate) fn new_utcb(&mut self) -> u64 {
        if self.utcb == self.end {
            let wish = Flexpage::memory(self.end, AREA_ORDER, MemoryRights::RW);
            self.task
                .add_kernel_user_memory(wish)
                .expect("no memory for UTCBs");
            self.end += AREA_SIZE;
        }
        self.utcb += utcb::SIZE as u64;
        self.utcb - utcb::SIZE as u64
    }

    /// A thread that runs `body`, of this priority.
    pub(crate) fn start(&mut self, priority: u8, stack: &Stack, body: Body) -> OwnedCap<Thread> {
        let utcb = self.new_utcb();
        start(
            self.task,
            utcb,
            own::pager().selector(),
            priority,
            stack.with(body),
        )
    }
}

/// Makes and starts a thread, whose pager is in slot `pager` of its task, on a stack that
/// [`Stack::with`] has prepared.
#[inline(always)]
pub(crate) fn start(
    task: Cap<Task>,
    utcb: u64,
    pager: Selector,
    priority: u8,
    stack: u64,
) -> OwnedCap<Thread> {
    let thread = own::factory()
        .create_thread()
        .expect("cannot make a thread");
    let control = Control {
        pager: Some(pager),
        bind: Some((task, utcb as usize)),
        ..Control::default()
    };
    thread.control(control).expect("cannot bind a thread");
    let first = arch::start as *const () as u64;
    thread
        .ex_regs(Some(first), Some(stack), ExRegsFlags::empty())
        .expect("cannot start a thread");
    own::scheduler()
        .run_thread(*thread, CpuSet::ALL, priority, 0)
        .expect("cannot schedule a thread");
    thread
}

/// Maps a page of this task to `address` in `task`.
pub(crate) fn map_page(task: Cap<Task>, page: u64, address: u64) {
    let control = ItemControl::map(address, ItemFlags::empty());
    let flexpage = Flexpage::memory(page, PAGE_ORDER, MemoryRights::RWX);
    task.map(own::task(), control, flexpage)
        .expect("cannot map a page");
}

/// The stack of one thread, or of many that never return from where they wait.
#[repr(C, align(4096))]
pub(crate) struct Stack(UnsafeCell<[u8; 4 * PAGE as usize]>);

// SAFETY: a stack is used by the thread that was started on it.
unsafe impl Sync for Stack {}

impl Stack {
    pub(crate) const fn new() -> Self {
        Self(UnsafeCell::new([0; 4 * PAGE as usize]))
    }

    /// Puts the function of a new thread on the empty stack; its stack pointer.
    pub(crate) fn with(&self, body: Body) -> u64 {
        let top = self.0.get() as u64 + 4 * PAGE - 16;
        memory::store(top, body as *const () as u64);
        top
    }
}
