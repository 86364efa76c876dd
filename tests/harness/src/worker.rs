//! Threads of a test.
//!
//! Each takes a block: a stack, a UTCB and an entry of the table. The job lies at the top of the
//! stack, its result at the start of the job. Blocks are given back when the [`Worker`] is dropped
//! or, after a failure, all at once.

use core::cell::UnsafeCell;
use core::mem::size_of;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use core::time::Duration;

use l4_abi::capability::Selector;
use l4_abi::flexpage::Flexpage;
use l4_abi::protocol::scheduler::{CpuSet, MAX_PRIORITY};
use l4_abi::protocol::thread::ExRegsFlags;
use l4_abi::rights::MemoryRights;
use l4_abi::utcb;
use l4_sys::object::{Control, Thread};
use l4_sys::slots::SLOTS;
use l4_sys::{Cap, Object, Utcb, ipc};

use crate::{entry, own, suite};

/// Number of blocks; the first is the watchdog's.
const BLOCKS: usize = 32;
/// Order of the kernel-user memory for their UTCBs.
const AREA_ORDER: u32 = 15;
const STACK_SIZE: usize = 16 * 1024;
/// How often who waits for something looks, and how long that is between two looks.
const LOOKS: u32 = 120_000;
const INTERVAL: Duration = Duration::from_micros(500);

const _: () = assert!(BLOCKS * utcb::SIZE == 1 << AREA_ORDER);

#[repr(C, align(4096))]
struct Stack(UnsafeCell<[u8; STACK_SIZE]>);

// SAFETY: the stack of a block is only used by whoever holds the block.
unsafe impl Sync for Stack {}

struct Block {
    used: AtomicBool,
    ended: AtomicBool,
    /// Slot of the thread.
    thread: AtomicU64,
}

static STACKS: [Stack; BLOCKS] = [const { Stack(UnsafeCell::new([0; STACK_SIZE])) }; BLOCKS];
static TABLE: [Block; BLOCKS] = [const {
    Block {
        used: AtomicBool::new(false),
        ended: AtomicBool::new(false),
        thread: AtomicU64::new(0),
    }
}; BLOCKS];
static AREA: AtomicU64 = AtomicU64::new(0);

/// Sleeps until all other threads of this CPU wait: then it is idle, however slow the machine is.
pub fn settle() {
    let idle_time = || own::scheduler().idle_time(CpuSet::single(0)).unwrap();
    let before = idle_time();
    while idle_time() < before + 500 {
        ipc::sleep(INTERVAL);
    }
}

/// Sleeps until it is so. False if it never will be: a minute has passed, in which this thread has looked again and
/// again, so that a host that stands still meanwhile spoils nothing.
pub fn comes(is_so: impl Fn() -> bool) -> bool {
    for _ in 0..LOOKS {
        if is_so() {
            return true;
        }
        ipc::sleep(INTERVAL);
    }
    false
}

/// A thread that runs a closure; dropped, it is destroyed.
pub struct Worker<R> {
    index: usize,
    result: *mut Option<R>,
}

#[repr(C)]
struct Job<F, R> {
    result: Option<R>,
    body: Option<F>,
    index: usize,
}

/// Runs `body` in a thread that goes first: it has run until it blocks when this returns.
pub fn spawn<R: 'static>(body: impl FnOnce() -> R + 'static) -> Worker<R> {
    spawn_at(suite::PRIORITY + 1, body)
}

/// Runs `body` in a thread of this priority.
pub fn spawn_at<R: 'static>(priority: u8, body: impl FnOnce() -> R + 'static) -> Worker<R> {
    spawn_among(CpuSet::ALL, priority, body)
}

/// Runs `body` in a thread on CPU `cpu`, as urgent as the runner.
pub fn spawn_on<R: 'static>(cpu: u32, body: impl FnOnce() -> R + 'static) -> Worker<R> {
    spawn_among(CpuSet::single(cpu), suite::PRIORITY, body)
}

fn spawn_among<R: 'static>(
    cpus: CpuSet,
    priority: u8,
    body: impl FnOnce() -> R + 'static,
) -> Worker<R> {
    let free = |block: &Block| {
        block
            .used
            .compare_exchange(false, true, SeqCst, SeqCst)
            .is_ok()
    };
    let index = 1 + (TABLE[1..].iter().position(free)).expect("too many workers");
    start(index, cpus, priority, body)
}

pub(crate) fn spawn_watchdog(body: fn()) {
    core::mem::forget(start(0, CpuSet::ALL, MAX_PRIORITY, body));
}

/// The calling worker.
pub fn current() -> Cap<Thread> {
    let offset = Utcb::current().address() as u64 - AREA.load(SeqCst);
    let index = offset as usize / utcb::SIZE;
    Cap::at(TABLE[index].thread.load(SeqCst))
}

/// Adds memory for the workers' UTCBs to the task.
pub(crate) fn prepare() {
    let size = 1 << AREA_ORDER;
    let address = (Utcb::current().address() as u64 & !(size - 1)) + size;
    let wish = Flexpage::memory(address, AREA_ORDER, MemoryRights::RW);
    let area = (own::task().add_kernel_user_memory(wish)).expect("no memory for UTCBs");
    AREA.store(area.address(), SeqCst);
}

/// Destroys all workers but the watchdog and the caller.
pub(crate) fn destroy_all() {
    for (index, block) in TABLE.iter().enumerate().skip(1) {
        if block.used.load(SeqCst) {
            release(index);
        }
    }
}

fn start<F: FnOnce() -> R, R>(index: usize, cpus: CpuSet, priority: u8, body: F) -> Worker<R> {
    let block = &TABLE[index];
    block.ended.store(false, SeqCst);
    let thread = own::factory()
        .create_thread()
        .expect("cannot make a thread");
    let thread = thread.leak();
    block.thread.store(thread.selector().index(), SeqCst);

    let job = job_address::<F, R>(index);
    // SAFETY: both lie in the stack of this block, which has no thread yet.
    let stack = unsafe {
        job.write(Job {
            result: None,
            body: Some(body),
            index,
        });
        entry::prepare_stack(job as u64, run::<F, R> as *const (), job as usize)
    };
    let control = Control {
        pager: Some(own::pager().selector()),
        bind: Some((own::task(), utcb_address(index) as usize)),
        ..Control::default()
    };
    thread.control(control).expect("cannot bind a thread");
    (thread.ex_regs(Some(entry::address()), Some(stack), ExRegsFlags::empty()))
        .expect("cannot start a thread");
    (own::scheduler().run_thread(thread, cpus, priority, 0)).expect("cannot schedule a thread");
    Worker {
        index,
        // The first field of the job.
        result: job.cast(),
    }
}

/// Where the job lies: at the top of the stack, aligned as stacks are.
fn job_address<F, R>(index: usize) -> *mut Job<F, R> {
    let top = STACKS[index].0.get() as usize + STACK_SIZE;
    ((top - size_of::<Job<F, R>>()) & !63) as *mut Job<F, R>
}

fn utcb_address(index: usize) -> u64 {
    AREA.load(SeqCst) + (index * utcb::SIZE) as u64
}

extern "C" fn run<F: FnOnce() -> R, R>(job: *mut Job<F, R>) -> ! {
    // SAFETY: `start` has written the job, and leaves it alone until `ended` is set.
    let job = unsafe { &mut *job };
    job.result = job.body.take().map(|body| body());
    TABLE[job.index].ended.store(true, SeqCst);
    ipc::sleep_forever()
}

fn release(index: usize) {
    let block = &TABLE[index];
    let thread = Selector::new(block.thread.load(SeqCst));
    let _ = own::task().delete_object(thread);
    SLOTS.free(thread);
    block.used.store(false, SeqCst);
}

impl<R> Worker<R> {
    /// The thread.
    pub fn thread(&self) -> Cap<Thread> {
        Cap::at(TABLE[self.index].thread.load(SeqCst))
    }

    /// Its selector, to send to.
    pub fn selector(&self) -> Selector {
        self.thread().selector()
    }

    /// Address of its UTCB.
    pub fn utcb_address(&self) -> u64 {
        utcb_address(self.index)
    }

    /// Whether the closure has returned.
    pub fn has_ended(&self) -> bool {
        TABLE[self.index].ended.load(SeqCst)
    }

    /// Waits until the closure has returned, and gives what it returned.
    pub fn join(self) -> R {
        assert!(comes(|| self.has_ended()), "a worker does not end");
        // SAFETY: the worker has stored its result and touches it no more; nobody else takes it,
        // because this consumes the only value that names it.
        let result = unsafe { (*self.result).take() };
        result.expect("a worker without result")
    }
}

impl<R> Drop for Worker<R> {
    fn drop(&mut self) {
        release(self.index);
    }
}
