//! A kernel in a test process, and threads that do what the test says.
//!
//! The test is user mode and hardware at once: it writes a thread's registers
//! and UTCB, enters the kernel through the upcalls that entry code uses, moves
//! the clock, raises interrupts, and looks at what came of it. Everything it
//! makes has a capability in the root task, as if the root task had made it.
//!
//! After each kernel entry the [`invariants`] are checked, and at the end of
//! each test everything is destroyed: then kernel memory is as at the start.

mod explore;
mod invariants;
mod random;
mod syscall;

pub(crate) use syscall::Syscall;

use core::cell::{Cell, RefCell};

use l4_abi::error::IpcError;
use l4_abi::flexpage::Flexpage;
use l4_abi::item::{MapItem, SendItem};
use l4_abi::message_tag::MessageTag;
use l4_abi::protocol::label;
use l4_abi::rights::{CapabilityRights, MemoryRights};
use l4_abi::utcb::{BUFFER_DESCRIPTOR_OFFSET, BUFFERS_OFFSET, ERROR_OFFSET, SIZE};
use machine::boot::Boot;
use machine::event::{Fault, Source};
use machine::per_cpu::{PerCpu, ShortWay, Upcalls};
use machine::trap::Interrupt;

use crate::cpu::{Cpu, CpuLocal};
use crate::mapping::Cursor;
use crate::memory::OutOfMemory;
use crate::memory::quota::QuotaRef;
use crate::object::factory::Factory;
use crate::object::ipc_gate::IpcGate;
use crate::object::irq::Irq;
use crate::object::semaphore::Semaphore;
use crate::object::task::{Mapping, Task};
use crate::object::thread::{Life, Thread, Waiting};
use crate::object::{self, Header, Kind, ObjectRef, Ref, create};
use crate::{init, scheduling, trace};

/// Where each test task has its UTCBs, and how many bytes of them.
pub(crate) const UTCB_AREA: u64 = 0x10_0000;
const UTCB_AREA_ORDER: u32 = 14;
/// The first slot that [`World::give`] fills.
const FIRST_SLOT: u64 = 0x100;

/// 2 MiB of sigma0's memory, to be mapped by tests.
pub(crate) const TEST_MEMORY: u64 = 0x4000_0000;

/// A kernel.
pub(crate) struct World {
    /// The CPU on which things happen now.
    pub(crate) cpu: &'static mut Cpu,
    /// The others, by number; its own place is empty.
    others: Vec<Option<&'static mut Cpu>>,
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
            let cursor = Cursor::new(&kernel.heap, quota).expect("memory");
            kernel.quiescence.join(id as u32);
            let trace = trace::Buffer::new(&kernel.heap, &boot.options()).expect("memory");
            let cpu = PerCpu::new(id as u32, CpuLocal::new(kernel, cursor, trace));
            let cpu: &'static mut Cpu = Box::leak(Box::new(cpu));
            cpu
        };
        let others = (0..cpus).map(|id| (id != 0).then(|| other(id)));
        let mut world = Self {
            others: others.collect(),
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

    /// Maps a page of sigma0's: what that takes in sigma0 stays for good.
    fn map_test_memory(&mut self) {
        let task = self.task();
        let thread = self.thread(&task, 1);
        let own = self.give_full(&task, task.header());
        let source = self.give_full(&task, self.sigma0_task().header());
        let page = Flexpage::memory(TEST_MEMORY, 12, MemoryRights::RWX).raw();
        let words = [0, TEST_MEMORY, page];
        let result = self.invoke(&thread, own, label::TASK, &words, Some(source));
        assert_eq!(result, 0);
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

    /// Frees what waits for that; the CPUs keep no address space of a test's.
    fn settle(&mut self) {
        for id in (0..self.cpus()).rev() {
            self.on(id);
            if id == 0 {
                let thread = self.sigma0.clone();
                self.cpu.space.load(self.cpu, thread.own_task());
            } else {
                self.cpu.space.unload(self.cpu);
            }
        }
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

    // What there is.

    /// An object that the root quota pays for, with a capability in the root
    /// task.
    fn make<T: Send + Sync + 'static>(&mut self, kind: Kind, value: T) -> Ref<T> {
        let object = create(self.cpu, self.quota, kind, value).expect("memory");
        self.give_full(&self.root, object.header());
        object
    }

    /// A task with room for UTCBs.
    pub(crate) fn task(&mut self) -> TestTask {
        let area = Flexpage::memory(UTCB_AREA, UTCB_AREA_ORDER, MemoryRights::empty());
        let Ok((task, _)) = Task::create(self.cpu, self.quota, area) else {
            panic!("a task is refused");
        };
        self.give_full(&self.root, task.header());
        TestTask::new(task)
    }

    /// A thread of `task` that could run.
    pub(crate) fn thread(&mut self, task: &TestTask, priority: u8) -> Ref<Thread> {
        let thread = self.new_thread();
        let utcb = task.next_utcb.get();
        task.next_utcb.set(utcb + SIZE as u64);
        let pointer = task.task.memory.find_utcb(self.cpu, utcb).expect("a UTCB");
        thread.start_in(self.cpu, task.task.clone(), utcb, pointer);
        let quantum = scheduling::DEFAULT_QUANTUM;
        scheduling::set_parameters(self.cpu, &thread, priority, quantum);
        thread.resurrect(self.cpu);
        self.enter(Source::Spurious);
        thread
    }

    /// A thread that is bound to no task.
    pub(crate) fn new_thread(&mut self) -> Ref<Thread> {
        let thread = Thread::create(self.cpu, self.quota, self.cpu.id()).expect("memory");
        self.give_full(&self.root, thread.header());
        thread
    }

    /// A gate to `thread`.
    pub(crate) fn gate(&mut self, label: u64, thread: &Ref<Thread>) -> Ref<IpcGate> {
        self.make(Kind::IpcGate, IpcGate::bound(label, thread.clone()))
    }

    /// A gate to nobody.
    pub(crate) fn unbound_gate(&mut self) -> Ref<IpcGate> {
        self.make(Kind::IpcGate, IpcGate::unbound())
    }

    /// An IRQ sender.
    pub(crate) fn irq(&mut self) -> Ref<Irq> {
        let irq = Irq::new(self.cpu.kernel.new_id());
        self.make(Kind::Irq, irq)
    }

    /// A semaphore.
    pub(crate) fn semaphore(&mut self) -> Ref<Semaphore> {
        self.make(Kind::Semaphore, Semaphore::new())
    }

    /// A factory with a quota.
    pub(crate) fn factory(&mut self, bytes: u64) -> Ref<Factory> {
        let quota = self.cpu.kernel.heap.new_quota(self.quota, bytes);
        let factory = Factory::new(quota.expect("memory"));
        let factory = create(self.cpu, self.quota, Kind::Factory, factory).expect("memory");
        self.give_full(&self.root, factory.header());
        factory
    }

    /// Gives `task` a capability; its slot.
    pub(crate) fn give(&self, task: &TestTask, object: &Header, rights: CapabilityRights) -> u64 {
        let index = task.next_slot.get();
        task.next_slot.set(index + 1);
        let slot = task.task.make_slot(self.cpu, index).expect("memory");
        assert!(slot.fill(object, rights.union(CapabilityRights::COUNTED)));
        index
    }

    /// Gives `task` a capability with all rights; its slot.
    pub(crate) fn give_full(&self, task: &TestTask, object: &Header) -> u64 {
        self.give(task, object, CapabilityRights::FULL)
    }

    /// Takes the root task's capability to an object away: it ends with the
    /// others that there are.
    pub(crate) fn forget(&mut self, object: &Header) {
        for (_, slot) in self.root.task.capabilities.range(FIRST_SLOT, u64::MAX) {
            if slot
                .get(self.cpu)
                .is_some_and(|entry| entry.object.is(object))
            {
                drop(slot.clear(self.cpu));
            }
        }
        self.enter(Source::Spurious);
    }

    /// Takes all capabilities to an object away.
    pub(crate) fn destroy(&mut self, object: &Header) {
        object::doom(self.cpu, object);
        self.enter(Source::Spurious);
    }

    /// The task that has all memory.
    pub(crate) fn sigma0_task(&self) -> Ref<Task> {
        let header = self.sigma0.task_header(self.cpu).expect("it is bound");
        Ref::from_header(header).expect("a task")
    }

    /// Maps 512 KiB of memory to `address`, in more pages than an operation
    /// handles without a pause.
    pub(crate) fn give_memory(&self, task: &TestTask, address: u64) {
        let item = MapItem::memory(TEST_MEMORY, 19, MemoryRights::RWX);
        let window = Flexpage::memory(address, 19, MemoryRights::empty());
        let sigma0 = self.sigma0_task();
        let mapped = self.map(&sigma0, &task.task, item, window);
        assert_eq!(mapped, Ok(true));
    }

    /// Maps an item from one task to another at once.
    pub(crate) fn map(
        &self,
        source: &Task,
        destination: &Task,
        item: MapItem,
        window: Flexpage,
    ) -> Result<bool, OutOfMemory> {
        let tasks = [source, destination];
        let mut mapping = Mapping::new(self.cpu, tasks, item, window, true)?;
        loop {
            if let Some(result) = mapping.step(self.cpu, tasks, &self.cpu.cursor) {
                return result;
            }
        }
    }

    /// Gives `task` one of the objects that the root task has from the start.
    pub(crate) fn give_initial(&self, task: &TestTask, slot: u64) -> u64 {
        let entry = self.root.task.capabilities.lookup(self.cpu, slot);
        // Nobody may destroy it.
        let rights = CapabilityRights::FULL.difference(CapabilityRights::DELETE);
        self.give(task, entry.expect("the root task has it").object, rights)
    }

    /// One of the objects that the root task has from the start.
    pub(crate) fn initial_object(&self, slot: u64) -> ObjectRef {
        let entry = self.root.task.capabilities.lookup(self.cpu, slot);
        entry.expect("the root task has it").object.any_ref()
    }

    /// All threads that there are, but for the initial ones.
    fn threads(&self) -> Vec<Ref<Thread>> {
        let root_task = self.root.header();
        let is_initial = |thread: &Ref<Thread>| {
            thread.id == self.sigma0.id
                || thread
                    .task_header(self.cpu)
                    .is_some_and(|task| task.is(root_task))
        };
        let mut threads = invariants::threads(self);
        threads.retain(|thread| !is_initial(thread));
        threads
    }

    // What happens.

    /// `thread`, which is ready, makes a system call: the kernel is entered
    /// with its registers. Where it stood among the ready threads, it does
    /// not any more.
    pub(crate) fn syscall(&mut self, thread: &Thread, call: Syscall) -> Doing {
        self.on(thread.home() as usize);
        self.run_now(thread);
        syscall::set(self.cpu, thread, call);
        match self.take_fast_path(thread) {
            ShortWay::Nowhere => CpuLocal::syscall(self.cpu),
            ShortWay::ToTheEnd => {}
            ShortWay::ToTheExit => CpuLocal::finish(self.cpu),
        }
        self.check();
        self.doing(thread)
    }

    /// Tries the system call in the registers of `thread` as entry code does;
    /// not if it is not in user mode, but was only made the current one.
    fn take_fast_path(&self, thread: &Thread) -> ShortWay {
        let cpu = &*self.cpu;
        let frame = &thread.state(cpu).context.frame;
        let timeouts = u64::from(frame.timeouts());
        let (label, destination, tag) = (frame.label(), frame.destination(), frame.tag());
        if !self.fast || !self.is_in_user_mode(thread) {
            return ShortWay::Nowhere;
        }
        let led = CpuLocal::short_syscall(cpu, label, destination, tag, timeouts);
        let taken = self.short_syscalls.get() + usize::from(led != ShortWay::Nowhere);
        self.short_syscalls.set(taken);
        led
    }

    fn is_in_user_mode(&self, thread: &Thread) -> bool {
        self.cpu.loaded.is(thread) && !self.cpu.reschedule.get()
    }

    /// `thread`, which is ready, makes a fault.
    pub(crate) fn fault(&mut self, thread: &Thread, fault: Fault) -> Doing {
        self.on(thread.home() as usize);
        self.run_now(thread);
        if self.fast && self.is_in_user_mode(thread) {
            CpuLocal::fault(self.cpu, &fault);
        } else {
            crate::fault::fault(self.cpu, &fault);
            CpuLocal::finish(self.cpu);
        }
        self.check();
        self.doing(thread)
    }

    /// The state of the kernel after an entry is a good one.
    fn check(&mut self) {
        self.notice_interrupts();
        self.made = invariants::check(self);
    }

    /// Makes a ready thread the current one, on its own time slice.
    fn run_now(&mut self, thread: &Thread) {
        let cpu = &*self.cpu;
        assert!(thread.is_runnable(cpu), "{:?}", self.doing(thread));
        assert!(!thread.has_deferred(cpu), "it is not in user mode");
        if cpu.current.is(thread) {
            return;
        }
        if let Some(current) = cpu.current.get(cpu) {
            let priority = current.state(cpu).priority.get();
            cpu.ready.push_front(current, priority);
        }
        cpu.ready.remove(thread, thread.state(cpu).priority.get());
        cpu.current.set(Some(thread));
        cpu.budget.start(cpu, thread);
        // A more urgent one may be ready.
        cpu.reschedule.set(true);
    }

    /// `thread` performs an operation on the object in slot `index`, with
    /// these words and perhaps a capability as an argument; the label of the
    /// answer.
    pub(crate) fn invoke(
        &mut self,
        thread: &Thread,
        index: u64,
        label: i64,
        words: &[u64],
        argument: Option<u64>,
    ) -> i64 {
        match self.start_invocation(thread, index, label, words, argument) {
            Doing::Done(tag) => tag.label(),
            other => panic!("{other:?} instead of an answer"),
        }
    }

    /// As `invoke`; the thread may have to wait.
    pub(crate) fn start_invocation(
        &mut self,
        thread: &Thread,
        index: u64,
        label: i64,
        words: &[u64],
        argument: Option<u64>,
    ) -> Doing {
        self.write(thread, words);
        let mut call = Syscall::call(index).tag(label, words.len(), 0);
        if let Some(argument) = argument {
            let item = SendItem::Map(MapItem::capability(argument, CapabilityRights::RWSD));
            for (offset, word) in item.words().into_iter().enumerate() {
                let utcb = thread.utcb(self.cpu_of(thread));
                utcb.set_word(words.len() + offset, word);
            }
            call = call.tag(label, words.len(), 1);
        }
        self.syscall(thread, call)
    }

    /// Something happens that is no doing of the current thread.
    pub(crate) fn enter(&mut self, source: Source) {
        CpuLocal::interrupt(self.cpu, Interrupt(source));
        self.check();
    }

    /// Time passes; the timers fire when they are told to.
    pub(crate) fn advance(&mut self, microseconds: u64) {
        let own = self.cpu.id() as usize;
        let end = self.now() + microseconds;
        let mut fired = 0;
        while let Some((deadline, id)) = self.next_deadline().filter(|(next, _)| *next <= end) {
            self.on(id);
            let timer = &self.cpu.kernel.platform.timer;
            timer.advance(deadline.saturating_sub(timer.now()));
            timer.stop();
            self.enter(Source::Timer);
            fired += 1;
            assert!(fired < 100_000, "the timer fires for ever");
        }
        self.on(own);
        let timer = &self.cpu.kernel.platform.timer;
        timer.advance(end.saturating_sub(timer.now()));
    }

    /// The next deadline of a timer, and its CPU.
    fn next_deadline(&mut self) -> Option<(u64, usize)> {
        let mut next = None;
        for id in 0..self.cpus() {
            let deadline = self.on(id).cpu.kernel.platform.timer.deadline();
            next = next.into_iter().chain(deadline.map(|at| (at, id))).min();
        }
        next
    }

    /// The time, in µs.
    pub(crate) fn now(&self) -> u64 {
        self.cpu.kernel.platform.timer.now()
    }

    // What came of it.

    /// True if `thread` runs now.
    pub(crate) fn runs(&self, thread: &Thread) -> bool {
        self.all_cpus().any(|cpu| cpu.current.is(thread))
    }

    /// What `thread` is doing.
    pub(crate) fn doing(&self, thread: &Thread) -> Doing {
        let cpu = self.cpu_of(thread);
        let state = thread.state(cpu);
        let tag = MessageTag::from_raw(state.context.frame.tag());
        match state.waiting.get() {
            _ if state.life.get() == Life::Dead => Doing::Dead,
            Waiting::Nothing if tag.has_error() => {
                let error = thread.utcb(cpu).word(ERROR_OFFSET / 8);
                Doing::Failed(IpcError::from_word(error))
            }
            Waiting::Nothing => Doing::Done(tag),
            waiting => Doing::Waits(waiting),
        }
    }

    /// The label that `thread` received.
    pub(crate) fn label(&self, thread: &Thread) -> u64 {
        thread.state(self.cpu_of(thread)).context.frame.label()
    }

    /// A message register.
    pub(crate) fn word(&self, thread: &Thread, index: usize) -> u64 {
        thread.utcb(self.cpu_of(thread)).word(index)
    }

    /// Writes message registers, from the first on.
    pub(crate) fn write(&self, thread: &Thread, words: &[u64]) {
        for (index, word) in words.iter().enumerate() {
            thread.utcb(self.cpu_of(thread)).set_word(index, *word);
        }
    }

    /// Writes buffer registers, from the first on; all types use them.
    pub(crate) fn write_buffers(&self, thread: &Thread, words: &[u64]) {
        let utcb = thread.utcb(self.cpu_of(thread));
        utcb.set_word(BUFFER_DESCRIPTOR_OFFSET / 8, 0);
        for (index, word) in words.iter().enumerate() {
            utcb.set_word(BUFFERS_OFFSET / 8 + index, *word);
        }
    }

    /// What slot `index` of `task` holds: the rights, if it names `object`.
    pub(crate) fn rights(
        &self,
        task: &TestTask,
        index: u64,
        object: &Header,
    ) -> Option<CapabilityRights> {
        let entry = task.task.capabilities.lookup(self.cpu, index)?;
        entry.object.is(object).then_some(entry.rights)
    }
}

/// A counted reference to a thread that is known as a plain one.
fn thread_reference(cpu: &Cpu, thread: &Thread) -> Ref<Thread> {
    let task = thread.task(cpu).expect("it is bound");
    let own = l4_abi::capability::slot::THREAD;
    let entry = task.capabilities.lookup(cpu, own).expect("its own slot");
    Ref::from_header(entry.object).expect("a thread")
}
