//! A kernel in a test process, and threads that do what the test says.
//!
//! The test is user mode and hardware at once: it writes a thread's registers
//! and UTCB, enters the kernel through the upcalls that entry code uses, moves
//! the clock, raises interrupts, and looks at what came of it. Everything it
//! makes has a capability in the root task, as if the root task had made it.
//!
//! After each kernel entry the [`invariants`] are checked, and at the end of
//! each test everything is destroyed: then kernel memory is as at the start.

mod entries;
mod explore;
mod invariants;
mod meanwhile;
mod objects;
mod random;
mod share;
mod syscall;

#[cfg(feature = "fast-paths")]
pub(crate) use entries::short_way;
pub(crate) use meanwhile::Meanwhile;
pub(crate) use objects::set_parameters;
pub(crate) use syscall::Syscall;

use core::cell::{Cell, RefCell};
use l4_abi::error::IpcError;
use l4_abi::flexpage::Flexpage;
use l4_abi::message_tag::MessageTag;
use l4_abi::protocol::label;
use l4_abi::rights::MemoryRights;
use machine::boot::Boot;
use machine::event::Source;
use machine::per_cpu::PerCpu;
use machine::trap::Interrupt;

use crate::cpu::{Cpu, CpuLocal};
use crate::memory::quota::QuotaRef;
use crate::object::task::Task;
use crate::object::thread::{Thread, Waiting};
use crate::object::{self, Header, Ref};
use crate::{init, scheduling, trace};

/// Where each test task has its UTCBs, and how many bytes of them.
pub(crate) const UTCB_AREA: u64 = 0x10_0000;
const UTCB_AREA_ORDER: u32 = 14;
/// The first slot that [`World::give`] fills.
const FIRST_SLOT: u64 = 0x100;

/// 2 MiB of sigma0's memory, to be mapped by tests.
pub(crate) const TEST_MEMORY: u64 = 0x4000_0000;
/// A port of sigma0's, likewise.
pub(crate) const TEST_PORT: u16 = 0x60;

/// A kernel.
pub(crate) struct World {
    /// The CPU on which things happen now.
    pub(crate) cpu: &'static mut Cpu,
    /// The others, by number; its own place is empty.
    others: Vec<Option<&'static mut Cpu>>,
    /// The one of them that does something in the middle of an entry.
    busy: meanwhile::Busy,
    /// Whether it has done so.
    pub(crate) has_happened: bool,
    /// System calls are not made, but only prepared.
    prepares: bool,
    /// The CPUs that have been interrupted by others, and have not noticed.
    interrupted: u64,
    pub(crate) quota: QuotaRef,
    /// The root task, which has a capability to everything that the test made.
    pub(crate) root: TestTask,
    /// Whether system calls may take the fast path.
    pub(crate) fast: bool,
    /// How many did.
    pub(crate) short_syscalls: Cell<usize>,
    sigma0: Ref<Thread>,
    /// The tasks that there are. One that a thread made may have its only
    /// capability in itself, so they are kept here until they are destroyed.
    made: Vec<Ref<Task>>,
    /// Bytes of kernel memory in use before the test, and quota.
    used: usize,
    charged: u64,
}

/// A task of a test.
#[derive(Clone)]
pub(crate) struct TestTask {
    pub(crate) task: Ref<Task>,
    next_slot: Cell<u64>,
    next_utcb: Cell<u64>,
}

impl TestTask {
    fn new(task: Ref<Task>) -> Self {
        Self {
            task,
            next_slot: Cell::new(FIRST_SLOT),
            next_utcb: Cell::new(UTCB_AREA),
        }
    }

    pub(crate) fn header(&self) -> &Header {
        self.task.header()
    }
}

/// What a thread is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// It waits.
    Waits(Waiting),
    /// Its last operation ended with this tag.
    Done(MessageTag),
    /// Its last operation ended with this error.
    Failed(IpcError),
    /// It is dead.
    Dead,
}

std::thread_local! {
    /// Worlds that earlier runs left as they found them: there is no way to
    /// free one.
    static UNUSED: RefCell<Vec<World>> = const { RefCell::new(Vec::new()) };
}

/// Runs a test in a world of its own; afterwards nothing of it is left.
pub(crate) fn run(test: impl FnOnce(&mut World)) {
    run_on(1, test);
}

/// The same with several CPUs. The test begins on CPU 0.
pub(crate) fn run_on(cpus: usize, test: impl FnOnce(&mut World)) {
    let unused = UNUSED.with_borrow_mut(|unused| {
        let place = unused.iter().position(|world| world.cpus() == cpus)?;
        Some(unused.swap_remove(place))
    });
    let mut world = unused.unwrap_or_else(|| World::with_cpus(cpus));
    world.on(0);
    test(&mut world);
    world.clear();
    UNUSED.with_borrow_mut(|unused| unused.push(world));
}

impl World {
    fn with_cpus(cpus: usize) -> Self {
        machine::cpu::become_cpu(0);
        let mut boot = Boot::new(1);
        let Ok(cpu) = init::prepare(&mut boot) else {
            panic!("a hosted kernel has memory enough");
        };
        // What it says at the start.
        cpu.kernel.platform.console.take_output();
        scheduling::leave(cpu);
        let mut initial = Vec::new();
        while let Some(current) = cpu.current.get(cpu) {
            initial.push(thread_reference(cpu, current));
            syscall::set(cpu, current, Syscall::sleep());
            CpuLocal::syscall(cpu);
        }
        let task_of = |thread: &Ref<Thread>| {
            let header = thread.task_header(cpu).expect("it is bound");
            Ref::<Task>::from_header(header).expect("a task")
        };
        let is_sigma0 = |thread: &&Ref<Thread>| task_of(thread).memory.is_physical();
        let sigma0 = initial.iter().find(is_sigma0).expect("sigma0").clone();
        let root = initial.iter().find(|thread| !is_sigma0(thread));
        let root = TestTask::new(task_of(root.expect("the root task")));
        let quota = root.task.memory.space().quota();
        // Its slots from the first one on are there from the start.
        assert!(root.task.make_slot(cpu, FIRST_SLOT).is_ok());
        let kernel = cpu.kernel;
        let other = |id: usize| {
            kernel.quiescence.join(id as u32);
            let trace = trace::Buffer::new(&kernel.heap, &boot.options()).expect("memory");
            let cpu = PerCpu::new(id as u32, CpuLocal::new(kernel, trace));
            let cpu: &'static mut Cpu = Box::leak(Box::new(cpu));
            cpu
        };
        let others = (0..cpus).map(|id| (id != 0).then(|| other(id)));
        let mut world = Self {
            others: others.collect(),
            busy: meanwhile::Busy::default(),
            has_happened: false,
            prepares: false,
            interrupted: 0,
            quota,
            root,
            fast: true,
            short_syscalls: Cell::new(0),
            sigma0,
            made: Vec::new(),
            used: 0,
            charged: 0,
            cpu,
        };
        world.settle();
        world.begin();
        world.map_test_memory();
        world.empty();
        world.begin();
        world
    }

    /// From now on memory is counted.
    fn begin(&mut self) {
        self.used = self.cpu.kernel.heap.used();
        self.charged = self.quota.used();
    }

    /// Kernel memory in use since the start of the test, in bytes.
    pub(crate) fn used(&self) -> usize {
        self.cpu.kernel.heap.used() - self.used
    }

    /// Maps a page and a port of sigma0's: what that takes in sigma0 stays for good.
    fn map_test_memory(&mut self) {
        let task = self.task();
        let thread = self.thread(&task, 1);
        let own = self.give_full(&task, task.header());
        let source = self.give_full(&task, self.sigma0_task().header());
        let page = Flexpage::memory(TEST_MEMORY, 12, MemoryRights::RWX);
        let port = Flexpage::io_ports(TEST_PORT, 0).with_rights(page.rights());
        for flexpage in [page, port] {
            let words = [0, TEST_MEMORY, flexpage.raw()];
            let result = self.invoke(&thread, own, label::TASK, &words, Some(source));
            assert_eq!(result, 0);
        }
    }

    /// Destroys everything that the test made; kernel memory is as before.
    pub(crate) fn clear(&mut self) {
        self.empty();
        assert_eq!(self.used(), 0, "bytes of kernel memory are lost");
        assert_eq!(self.quota.used(), self.charged, "quota is lost");
        for cpu in self.all_cpus() {
            assert!(cpu.current.is_empty(), "a thread is left");
            assert_eq!(cpu.timeouts.next(), None, "a timeout is left");
        }
    }

    fn empty(&mut self) {
        self.cpu.kernel.platform.chip.set_pending(false);
        for (_, slot) in self.root.task.capabilities.range(FIRST_SLOT, u64::MAX) {
            if let Some(entry) = slot.get(self.cpu) {
                object::doom(self.cpu, entry.object);
            }
        }
        self.root.next_slot.set(FIRST_SLOT);
        self.settle();
        for task in core::mem::take(&mut self.made) {
            object::doom(self.cpu, task.header());
        }
        self.settle();
    }

    /// Frees what waits for that.
    fn settle(&mut self) {
        // Each CPU passes often enough for the others.
        let rounds = if self.cpus() == 1 { 1 } else { 8 };
        for _ in 0..rounds {
            for id in (0..self.cpus()).rev() {
                self.on(id);
                self.interrupted &= !(1 << id);
                CpuLocal::interrupt(self.cpu, Interrupt(Source::Ipi));
                self.notice_interrupts();
            }
        }
        assert_eq!(self.interrupted, 0, "the CPUs do not come to rest");
        machine::tlb::take_recorded();
    }

    // Its CPUs.

    /// How many there are.
    pub(crate) fn cpus(&self) -> usize {
        self.others.len()
    }

    /// What follows happens on CPU `id`.
    pub(crate) fn on(&mut self, id: usize) -> &mut Self {
        machine::cpu::become_cpu(id as u32);
        if let Some(other) = self.others[id].take() {
            let before = core::mem::replace(&mut self.cpu, other);
            let place = before.id() as usize;
            self.others[place] = Some(before);
        }
        self
    }

    /// The CPU that `thread` is on.
    pub(crate) fn cpu_of(&self, thread: &Thread) -> &Cpu {
        match &self.others[thread.home() as usize] {
            Some(other) => other,
            None => self.cpu,
        }
    }

    /// All CPUs.
    fn all_cpus(&self) -> impl Iterator<Item = &Cpu> {
        let others = self.others.iter();
        others.map(|other| other.as_deref().unwrap_or(self.cpu))
    }

    /// True if CPU `id` has been interrupted by another, and has not noticed.
    pub(crate) fn is_interrupted(&self, id: usize) -> bool {
        self.interrupted >> id & 1 != 0
    }

    /// CPU `id` notices that it has been interrupted.
    pub(crate) fn deliver(&mut self, id: usize) {
        self.on(id);
        self.interrupted &= !(1 << id);
        self.enter(Source::Ipi);
    }

    /// All CPUs notice that they have been interrupted, until none is.
    pub(crate) fn deliver_all(&mut self) {
        let own = self.cpu.id() as usize;
        let mut steps = 0;
        while self.interrupted != 0 {
            self.deliver(self.interrupted.trailing_zeros() as usize);
            steps += 1;
            assert!(steps < 1000, "the CPUs interrupt each other for ever");
        }
        self.on(own);
    }

    fn notice_interrupts(&mut self) {
        for id in machine::ipi::take_recorded() {
            self.interrupted |= 1 << id;
        }
    }
}

/// A counted reference to a thread that is known as a plain one.
fn thread_reference(cpu: &Cpu, thread: &Thread) -> Ref<Thread> {
    let task = thread.task(cpu).expect("it is bound");
    let own = l4_abi::capability::slot::THREAD;
    let entry = task.capabilities.lookup(cpu, own).expect("its own slot");
    Ref::from_header(entry.object).expect("a thread")
}
