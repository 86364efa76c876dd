//! Other tasks that run this program's code, on the same memory.

use l4_abi::exception::FaultWord;
use l4_abi::flexpage::{Flexpage, PAGE_ORDER};
use l4_abi::item::{ItemControl, ItemFlags};
use l4_abi::protocol::label;
use l4_abi::protocol::scheduler::CpuSet;
use l4_abi::protocol::thread::ExRegsFlags;
use l4_abi::rights::{CapabilityRights, MemoryRights};
use l4_abi::timeout::Timeout;
use l4_sys::object::{Control, Factory, Task, Thread};
use l4_sys::{Cap, OwnedCap, Result, Selector, ipc};

use crate::memory::{UNUSED, program_pages};
use crate::message::{Message, receive, word};
use crate::suite::PRIORITY;
use crate::{entry, own};

/// Where such a task has its UTCB.
const UTCB: u64 = UNUSED;
/// Where it has nothing yet: as good a place as any.
pub const FREE: u64 = UNUSED + (1 << 30);
/// Slot of the runner there: pager and exception handler of its thread, and whom it tells its result.
pub const RUNNER: u64 = 0x10;

const STACK_SIZE: usize = 16 * 1024;

#[repr(C, align(4096))]
struct Stack([u8; STACK_SIZE]);

static mut STACK: Stack = Stack([0; STACK_SIZE]);

/// How a function in another task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It returned this.
    Value(u64),
    /// It raised a page fault.
    Fault(FaultWord),
    /// It raised an exception.
    Exception,
}

/// A task with the program in it.
pub struct OtherTask {
    /// The task.
    pub task: OwnedCap<Task>,
    factory: Cap<Factory>,
}

impl OtherTask {
    /// A task at the cost of the root factory.
    pub fn new() -> Self {
        Self::made_by(own::factory()).expect("cannot make a task")
    }

    /// A task that is paid by `factory`, as its threads are.
    ///
    /// # Errors
    /// ENOMEM if it cannot pay for that.
    pub fn made_by(factory: Cap<Factory>) -> Result<Self> {
        let utcb = Flexpage::memory(UTCB, PAGE_ORDER, MemoryRights::RW);
        let task = factory.create_task(utcb)?;
        task.map_capability(own::thread(), RUNNER, CapabilityRights::RWS)?;
        let other = Self { task, factory };
        program_pages().try_for_each(|page| other.map(page, page))?;
        Ok(other)
    }

    /// Maps a page of the own task there.
    ///
    /// # Errors
    /// ENOMEM if there is no memory for tables and books.
    pub fn map(&self, from: u64, to: u64) -> Result<()> {
        let control = ItemControl::map(to, ItemFlags::empty());
        let flexpage = Flexpage::memory(from, PAGE_ORDER, MemoryRights::RWX);
        self.task.map(own::task(), control, flexpage)
    }

    /// Runs `body` in a thread of the task.
    ///
    /// # Panics
    /// If there is no memory for a thread.
    pub fn run(&self, body: fn() -> u64) -> End {
        self.finish(self.prepare(body))
    }

    /// Waits for the end of what [`prepare`](Self::prepare) has started.
    pub fn finish(&self, thread: OwnedCap<Thread>) -> End {
        let message = receive(**thread, Timeout::NEVER);
        match message.tag.label() {
            label::PAGE_FAULT => End::Fault(FaultWord::from_raw(word(0))),
            label::EXCEPTION => End::Exception,
            _ => End::Value(word(0)),
        }
    }

    /// A thread that runs `body` when the runner waits. There can be one at a time.
    ///
    /// # Panics
    /// If there is no memory for a thread.
    pub fn prepare(&self, body: fn() -> u64) -> OwnedCap<Thread> {
        let thread = self.factory.create_thread().expect("cannot make a thread");
        let runner = Some(Selector::new(RUNNER));
        let control = Control {
            pager: runner,
            exception_handler: runner,
            bind: Some((*self.task, UTCB as usize)),
            ..Control::default()
        };
        thread.control(control).expect("cannot bind a thread");
        let top = (&raw const STACK).addr() as u64 + STACK_SIZE as u64;
        // SAFETY: the stack is used by one thread at a time: `run` waits for its end.
        let stack = unsafe { entry::prepare_stack(top, run_body as *const (), body as usize) };
        (thread.ex_regs(Some(entry::address()), Some(stack), ExRegsFlags::empty()))
            .expect("cannot start a thread");
        (own::scheduler().run_thread(*thread, CpuSet::single(0), PRIORITY - 1, 0))
            .expect("cannot schedule a thread");
        thread
    }
}

impl Default for OtherTask {
    fn default() -> Self {
        Self::new()
    }
}

extern "C" fn run_body(body: usize) -> ! {
    // SAFETY: `prepare` has passed a function of this type.
    let body: fn() -> u64 = unsafe { core::mem::transmute(body) };
    let result = [body()];
    Message::new(0)
        .words(&result)
        .send(*Cap::<Thread>::at(RUNNER));
    ipc::sleep_forever()
}
