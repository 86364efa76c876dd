//! Tasks that come and go, with a thread that runs this program's code.

use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::item::{ItemControl, ItemFlags};
use l4_test::abi::protocol::label;
use l4_test::abi::protocol::scheduler::CpuSet;
use l4_test::abi::protocol::thread::ExRegsFlags;
use l4_test::abi::rights::{CapabilityRights, MemoryRights};
use l4_test::entry;
use l4_test::memory::{PAGE, PAGE_ORDER, UNUSED, program_pages};
use l4_test::message::{receive, word};
use l4_test::suite::PRIORITY;
use l4_test::sys::object::{Control, Task, Thread};
use l4_test::sys::{Cap, OwnedCap, Selector, ipc};
use l4_test::{Message, own};

use crate::probe::PATIENCE;

/// Where such a task has its UTCB, and room for more kernel-user memory.
const UTCB: u64 = UNUSED;
pub(crate) const AREA: u64 = UNUSED + 0x100_0000;

const STACK_SIZE: usize = 16 * 1024;

#[repr(C, align(4096))]
struct Stack([u8; STACK_SIZE]);

static mut STACK: Stack = Stack([0; STACK_SIZE]);

/// Slot of the runner there: whom the thread tells its result, and its pager.
const RUNNER: u64 = 0x10;

/// A task with the program in it.
pub(crate) struct Elsewhere {
    pub(crate) task: OwnedCap<Task>,
}

impl Elsewhere {
    pub(crate) fn new() -> Self {
        let utcb = Flexpage::memory(UTCB, PAGE_ORDER, MemoryRights::RW);
        let task = own::factory().create_task(utcb).unwrap();
        task.map_capability(own::thread(), RUNNER, CapabilityRights::RWS)
            .unwrap();
        let elsewhere = Self { task };
        program_pages().for_each(|page| elsewhere.map(page, page));
        elsewhere
    }

    /// Adds 2^`order` bytes of kernel-user memory at [`AREA`].
    pub(crate) fn add_area(&self, order: u32) {
        let area = Flexpage::memory(AREA, order, MemoryRights::RW);
        self.task.add_kernel_user_memory(area).unwrap();
    }

    /// Maps a page of the own task there.
    pub(crate) fn map(&self, from: u64, to: u64) {
        let control = ItemControl::map(to, ItemFlags::empty());
        let flexpage = Flexpage::memory(from, PAGE_ORDER, MemoryRights::RWX);
        self.task.map(own::task(), control, flexpage).unwrap();
    }

    /// Runs `body` in a thread of the task; what it returns, unless it raises a page fault.
    pub(crate) fn run(&self, body: fn() -> u64) -> Option<u64> {
        let thread = self.start(body);
        let message = receive(**thread, PATIENCE);
        assert!(message.came(), "the other task does nothing");
        match message.tag.label() {
            label::PAGE_FAULT => None,
            _ => Some(word(0)),
        }
    }

    fn start(&self, body: fn() -> u64) -> OwnedCap<Thread> {
        let thread = own::factory().create_thread().unwrap();
        let control = Control {
            pager: Some(Selector::new(RUNNER)),
            bind: Some((*self.task, UTCB as usize)),
            ..Control::default()
        };
        thread.control(control).unwrap();
        let top = (&raw const STACK).addr() as u64 + STACK_SIZE as u64;
        // SAFETY: the stack is used by one thread at a time: `run` waits for its end.
        let stack = unsafe { entry::prepare_stack(top, run_body as *const (), body as usize) };
        thread
            .ex_regs(Some(entry::address()), Some(stack), ExRegsFlags::empty())
            .unwrap();
        own::scheduler()
            .run_thread(*thread, CpuSet::single(0), PRIORITY - 1, 0)
            .unwrap();
        thread
    }
}

extern "C" fn run_body(body: usize) -> ! {
    // SAFETY: `start` has passed a function of this type.
    let body: fn() -> u64 = unsafe { core::mem::transmute(body) };
    let runner = Cap::<Thread>::at(RUNNER);
    Message::new(0).words(&[body()]).send(*runner);
    ipc::sleep_forever()
}

/// A new page of kernel-user memory of the own task.
pub(crate) fn kernel_user_page() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(UNUSED + 0x1000_0000);
    let address = NEXT.fetch_add(PAGE, SeqCst);
    let area = Flexpage::memory(address, PAGE_ORDER, MemoryRights::RW);
    own::task().add_kernel_user_memory(area).unwrap();
    address
}
