//! Thousands of threads, each of which makes one system call and then sleeps for ever. They live in a task of their own.

use core::sync::atomic::{AtomicU64, Ordering::SeqCst};
use core::time::Duration;

use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::item::{ItemControl, ItemFlags};
use l4_test::abi::message_tag::MessageTag;
use l4_test::abi::operation::Destination;
use l4_test::abi::protocol::scheduler::{CpuSet, MAX_PRIORITY};
use l4_test::abi::protocol::thread::ExRegsFlags;
use l4_test::abi::rights::{CapabilityRights, MemoryRights};
use l4_test::abi::timeout::TimeoutPair;
use l4_test::abi::utcb;
use l4_test::memory::{self, PAGE_ORDER};
use l4_test::sys::object::{Control, Task, Thread};
use l4_test::sys::{Cap, Object, OwnedCap, ipc};
use l4_test::{Worker, own, spawn_at, suite};

use crate::arch;

/// How many threads there are.
pub(crate) const SIZE: u64 = 10_000;

/// Where the UTCBs lie in the crowd's task.
const UTCBS: u64 = memory::UNUSED;
/// Order of one area of UTCBs.
const AREA_ORDER: u32 = utcb::AREA_MAX_ORDER;
/// First slot of the threads in the crowd's task.
pub(crate) const THREADS: u64 = 0x4000;
/// A slot of what the threads use, in the crowd's task.
pub(crate) const PARTNER: u64 = 0x400;

/// What the threads do: registers of their system call, in the order in which they take them from their stack.
#[repr(C, align(16))]
struct Call {
    tag: AtomicU64,
    destination: AtomicU64,
    label: AtomicU64,
    timeouts: AtomicU64,
    /// For their last buffer register: an absolute timeout can be there.
    deadline: AtomicU64,
}

static CALL: Call = Call {
    tag: AtomicU64::new(0),
    destination: AtomicU64::new(0),
    label: AtomicU64::new(0),
    timeouts: AtomicU64::new(0),
    deadline: AtomicU64::new(0),
};

/// The buffer register with the deadline.
pub(crate) const DEADLINE: usize = utcb::BUFFER_REGISTERS - 1;

/// Threads that wait.
pub(crate) struct Crowd {
    pub(crate) task: OwnedCap<Task>,
}

/// What all threads of a crowd do.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) destination: Destination,
    pub(crate) tag: MessageTag,
    pub(crate) timeouts: TimeoutPair,
    pub(crate) deadline: u64,
    /// Some are more urgent than others.
    pub(crate) mixed: bool,
}

impl Plan {
    /// They wait in this system call for ever, if nothing happens.
    pub(crate) fn new(destination: Destination) -> Self {
        Self {
            destination,
            tag: MessageTag::EMPTY,
            timeouts: TimeoutPair::NEVER,
            deadline: 0,
            mixed: false,
        }
    }
}

impl Crowd {
    /// A task in which this program is mapped, without threads.
    pub(crate) fn new() -> Self {
        let task = own::factory().create_task(Flexpage::NIL).unwrap();
        for page in memory::program_pages() {
            let control = ItemControl::map(page, ItemFlags::empty());
            let flexpage = Flexpage::memory(page, PAGE_ORDER, MemoryRights::RWX);
            task.map(own::task(), control, flexpage).unwrap();
        }
        Self { task }
    }

    /// Gives the task a capability, in a slot that [`Plan::destination`] can name.
    pub(crate) fn give<T: Object>(&self, capability: Cap<T>, slot: u64) {
        let rights = CapabilityRights::RWSD.union(CapabilityRights::IPC_GATE_SERVER);
        self.task.map_capability(capability, slot, rights).unwrap();
    }

    /// Starts the threads: each has made its system call when this returns.
    pub(crate) fn start(&self, plan: Plan) {
        CALL.tag.store(plan.tag.raw(), SeqCst);
        CALL.destination.store(plan.destination.raw(), SeqCst);
        CALL.timeouts.store(u64::from(plan.timeouts.raw()), SeqCst);
        CALL.deadline.store(plan.deadline, SeqCst);
        for index in 0..SIZE {
            if index % (1 << (AREA_ORDER - utcb::SIZE.ilog2())) == 0 {
                let area = UTCBS + index * utcb::SIZE as u64;
                let area = Flexpage::memory(area, AREA_ORDER, MemoryRights::RW);
                self.task.add_kernel_user_memory(area).unwrap();
            }
            let urgency = if plan.mixed { index * 7 % 150 } else { 0 };
            let thread = self.thread(index, suite::PRIORITY + 1 + urgency as u8);
            self.give(thread.as_cap(), THREADS + index);
            if index % 100 == 0 {
                suite::is_alive();
            }
        }
    }

    fn thread(&self, index: u64, priority: u8) -> OwnedCap<Thread> {
        let thread = own::factory().create_thread().unwrap();
        let utcb = UTCBS + index * utcb::SIZE as u64;
        let control = Control {
            pager: Some(own::pager().selector()),
            bind: Some((self.task.as_cap(), utcb as usize)),
            ..Control::default()
        };
        thread.control(control).unwrap();
        let first = arch::call_and_sleep as *const () as u64;
        let stack = &raw const CALL as u64;
        (thread.ex_regs(Some(first), Some(stack), ExRegsFlags::empty())).unwrap();
        (own::scheduler().run_thread(thread.as_cap(), CpuSet::ALL, priority, 0)).unwrap();
        thread
    }
}

/// How often the timer fires while something takes long.
const TICK: Duration = Duration::from_micros(100);

/// A thread that wakes up again and again.
pub(crate) fn ticker() -> Worker<()> {
    spawn_at(MAX_PRIORITY, || {
        loop {
            ipc::sleep(TICK);
        }
    })
}
