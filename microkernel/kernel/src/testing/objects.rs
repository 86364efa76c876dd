//! What a test makes, gives and takes away.

use l4_abi::flexpage::Flexpage;
use l4_abi::item::MapItem;
use l4_abi::rights::{CapabilityRights, MemoryRights};
use l4_abi::utcb::SIZE;
use machine::event::Source;

use super::{FIRST_SLOT, TEST_MEMORY, TestTask, UTCB_AREA, UTCB_AREA_ORDER, World, invariants};
use crate::cpu::Cpu;
use crate::mapping::Cursor;
use crate::memory::OutOfMemory;
use crate::object::factory::Factory;
use crate::object::ipc_gate::IpcGate;
use crate::object::irq::Irq;
use crate::object::semaphore::Semaphore;
use crate::object::task::{Mapping, Task};
use crate::object::thread::Thread;
use crate::object::{self, Header, Kind, ObjectRef, Ref, create};
use crate::scheduling;

/// Gives `thread` a priority and a time slice, as the scheduler object does.
pub(crate) fn set_parameters(cpu: &Cpu, thread: &Thread, priority: u8, quantum: u64) {
    scheduling::set_parameters(cpu, thread, priority, quantum);
    scheduling::make_ready(cpu, thread);
}

impl World {
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
        let task = Task::create(self.cpu, self.quota).expect("memory");
        self.add_area(&task, area);
        self.give_full(&self.root, task.header());
        TestTask::new(task)
    }

    /// Adds kernel-user memory to `task`.
    pub(crate) fn add_area(&self, task: &Task, area: Flexpage) {
        let mut steps =
            std::iter::repeat_with(|| task.memory.add_kernel_user_memory(self.cpu, area));
        assert!(matches!(steps.find_map(|step| step), Some(Ok(()))));
    }

    /// A thread of `task` that could run.
    pub(crate) fn thread(&mut self, task: &TestTask, priority: u8) -> Ref<Thread> {
        let thread = self.new_thread();
        let utcb = task.next_utcb.get();
        task.next_utcb.set(utcb + SIZE as u64);
        let pointer = task
            .task
            .memory
            .find_shared(self.cpu, utcb)
            .expect("a UTCB");
        let state = thread.state(self.cpu);
        thread.start_in(self.cpu, state, task.task.clone(), utcb, pointer);
        let quantum = scheduling::DEFAULT_QUANTUM;
        set_parameters(self.cpu, &thread, priority, quantum);
        thread.resurrect(self.cpu, thread.state(self.cpu));
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
        self.make(Kind::IpcGate, IpcGate::new(Some(thread.clone()), label))
    }

    /// A gate to nobody.
    pub(crate) fn unbound_gate(&mut self) -> Ref<IpcGate> {
        self.make(Kind::IpcGate, IpcGate::new(None, 0))
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

    /// A virtual machine.
    pub(crate) fn virtual_machine(&mut self) -> Ref<Task> {
        let machine = Task::create_vm(self.cpu, self.quota).unwrap_or_else(|_| panic!("memory"));
        self.give_full(&self.root, machine.header());
        machine
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

    /// Puts a capability to `object` into a slot that may have another one.
    pub(crate) fn put(&self, task: &TestTask, slot: u64, object: &Header) {
        let slot = task.task.make_slot(self.cpu, slot).expect("memory");
        let rights = CapabilityRights::FULL;
        crate::capability::put(self.cpu, &task.task, slot, object, rights);
    }

    /// Gives `task` a capability with all rights; its slot.
    pub(crate) fn give_full(&self, task: &TestTask, object: &Header) -> u64 {
        self.give(task, object, CapabilityRights::FULL)
    }

    /// Takes the root task's capability to an object away: it ends with the
    /// others that there are.
    pub(crate) fn forget(&mut self, object: &Header) {
        for (_, slot) in self.root.task.capabilities.range(FIRST_SLOT, u64::MAX) {
            drop(slot.clear_of(object));
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
        let cursor = Cursor::new();
        loop {
            if let Some(result) = mapping.step(self.cpu, tasks, &cursor) {
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
    pub(super) fn threads(&self) -> Vec<Ref<Thread>> {
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
}
