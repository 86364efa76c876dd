//! Threads and thread-local values.

mod block;
#[cfg_attr(not(feature = "thread-local"), path = "local/absent.rs")]
mod local;
mod utcb;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use l4_abi::error::ResultCode;
use l4_abi::protocol::scheduler::{CpuSet, MAX_PRIORITY};
use l4_abi::protocol::thread::ExRegsFlags;
use l4_abi::timeout::Timeout;
use l4_sys::object::{Control, Semaphore, Thread};
use l4_sys::{Cap, Object, OwnedCap, Result};

use crate::place::Stack;
use crate::sync::Mutex;
use crate::{arch, env};

use block::ThreadBlock;
pub(crate) use block::{initialise_main, stack_top};
#[cfg(feature = "thread-local")]
pub use local::LocalKey;

/// Stack of a thread if nothing else is asked for, in bytes.
const DEFAULT_STACK_SIZE: u64 = 64 << 10;
/// Priority of a thread if nothing else is asked for. The program's scheduler cuts it down to its
/// limit, which is the priority that the program was given.
const DEFAULT_PRIORITY: u8 = MAX_PRIORITY;

/// The calling thread.
pub fn current() -> Cap<Thread> {
    block::current().thread
}

/// Starts a thread that runs `body`.
///
/// # Errors
/// If quota or memory do not suffice.
pub fn spawn<T: Send + 'static>(
    body: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>> {
    Builder::new().spawn(body)
}

/// How a new thread is to be.
#[derive(Clone, Copy, Debug)]
pub struct Builder {
    stack_size: u64,
    priority: u8,
    cpus: CpuSet,
}

impl Builder {
    /// A thread like that of [`spawn`]: 64 KiB of stack, the program's priority, any CPU.
    pub const fn new() -> Self {
        Self {
            stack_size: DEFAULT_STACK_SIZE,
            priority: DEFAULT_PRIORITY,
            cpus: CpuSet::ALL,
        }
    }

    /// With a stack of so many bytes. A page below it is left unmapped.
    pub const fn stack_size(mut self, bytes: u64) -> Self {
        self.stack_size = bytes;
        self
    }

    /// With a priority from 1 to 255. The program's scheduler counts from its own lowest priority
    /// and grants no more than its limit.
    pub const fn priority(mut self, priority: u8) -> Self {
        self.priority = priority;
        self
    }

    /// On these CPUs, as far as the program's scheduler grants them.
    pub const fn cpus(mut self, cpus: CpuSet) -> Self {
        self.cpus = cpus;
        self
    }

    /// Starts the thread.
    pub fn spawn<T: Send + 'static>(
        self,
        body: impl FnOnce() -> T + Send + 'static,
    ) -> Result<JoinHandle<T>> {
        reap();
        let result = Arc::new(Mutex::new(None));
        let slot = result.clone();
        let task = Box::new(move || *slot.lock() = Some(body()));
        Ok(JoinHandle {
            running: Some(self.start(task)?),
            result,
        })
    }

    fn start(self, body: Box<dyn FnOnce() + Send>) -> Result<Running> {
        let finished = env::factory().create_semaphore()?;
        let place = env::place().ok_or(ResultCode::ENOMEM)?;
        let stack = (place.stack)(self.stack_size)?;
        let thread = env::factory().create_thread()?;
        let utcb = utcb::claim()?;
        let pager = env::pager().selector();
        let control = Control {
            pager: Some(pager),
            exception_handler: Some(pager),
            bind: Some((env::task(), utcb.address())),
            alien: None,
        };
        thread.control(control)?;
        // From here on the kernel says when the UTCB is free again.
        utcb.keep();
        let start = Box::new(Start {
            block: ThreadBlock::new(thread.as_cap(), stack.end() as usize),
            body,
            finished: finished.as_cap(),
        });
        let start = Box::into_raw(start);
        let stack_pointer = stack.end() - 16;
        // SAFETY: the new stack is mapped on demand and belongs to nobody yet; the word is the
        // argument that the entry code takes from it.
        unsafe { (stack_pointer as *mut u64).write(start as u64) };
        let running = Running {
            thread: Some(thread),
            finished,
            _stack: stack,
        };
        let entry = arch::thread_entry_address();
        let started = running.run(self.priority, self.cpus).and_then(|()| {
            running
                .cap()
                .ex_regs(Some(entry), Some(stack_pointer), ExRegsFlags::empty())
        });
        match started {
            Ok(_) => Ok(running),
            Err(error) => {
                // SAFETY: the thread never runs, so the box is still this function's.
                drop(unsafe { Box::from_raw(start) });
                Err(error)
            }
        }
    }
}

/// What a new thread finds on its stack.
pub(crate) struct Start {
    block: ThreadBlock,
    body: Box<dyn FnOnce() + Send>,
    finished: Cap<Semaphore>,
}

/// First Rust code of a new thread.
///
/// # Safety
/// `start` came from `Box::into_raw` and is this thread's.
pub(crate) unsafe extern "C" fn thread_main(start: *mut Start) -> ! {
    // SAFETY: by the contract.
    let Start {
        block,
        body,
        finished,
    } = *unsafe { Box::from_raw(start) };
    // SAFETY: the block lives on this stack, which outlives the thread.
    unsafe { block.install() };
    body();
    block.locals.drop_all();
    // After this the joiner may destroy the thread at any moment.
    let _ = finished.up();
    l4_sys::ipc::sleep_forever()
}

/// A started thread and what it stands on.
struct Running {
    /// Taken only when dropped.
    thread: Option<OwnedCap<Thread>>,
    finished: OwnedCap<Semaphore>,
    _stack: Box<dyn Stack>,
}

impl Running {
    fn cap(&self) -> Cap<Thread> {
        self.thread.as_ref().map_or(Cap::at(0), OwnedCap::as_cap)
    }

    fn run(&self, priority: u8, cpus: CpuSet) -> Result<()> {
        env::scheduler().run_thread(self.cap(), cpus, priority, 0)
    }

    fn has_finished(&self) -> bool {
        self.finished.down(Timeout::ZERO).is_ok()
    }
}

/// Destroys the thread before the stack goes, which is dropped after this.
impl Drop for Running {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            thread.delete();
        }
    }
}

/// A thread to wait for. Dropped, the thread runs on by itself.
pub struct JoinHandle<T> {
    /// Taken by `join` and when dropped.
    running: Option<Running>,
    result: Arc<Mutex<Option<T>>>,
}

impl<T> JoinHandle<T> {
    /// The thread.
    pub fn thread(&self) -> Cap<Thread> {
        self.running.as_ref().map_or(Cap::at(0), Running::cap)
    }

    /// Waits until the thread has ended; what it returned.
    ///
    /// # Errors
    /// If another thread cancels the wait; the joined thread is then destroyed.
    pub fn join(mut self) -> Result<T> {
        if let Some(running) = self.running.take() {
            running.finished.down(Timeout::NEVER)?;
        }
        let result = self.result.lock().take();
        result.ok_or(ResultCode::ENOENT.into())
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            DETACHED.lock().push(running);
        }
    }
}

/// Threads that nobody joins. They cannot free the stack that they stand on.
static DETACHED: Mutex<Vec<Running>> = Mutex::new(Vec::new());

/// Frees what detached threads that have ended left behind.
fn reap() {
    DETACHED.lock().retain(|running| !running.has_finished());
}
