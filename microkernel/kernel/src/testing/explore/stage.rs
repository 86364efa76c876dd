//! Who acts, on what, and what one step of theirs does.

use l4_abi::capability::{Selector, slot};
use l4_abi::flexpage::Flexpage;
use l4_abi::item::{MapItem, SendItem};
use l4_abi::protocol::label;
use l4_abi::protocol::thread::Opcode;
use l4_abi::rights::{CapabilityRights, MemoryRights};
use l4_abi::timeout::Timeout;
use l4_abi::vcpu::{StateFlags, UserTask};
use machine::vcpu::VcpuArea;

use crate::object::Ref;
use crate::object::thread::Thread;
use crate::testing::{Syscall, TEST_MEMORY, UTCB_AREA, World};

/// One system call of a program; threads are named by their numbers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Op {
    /// Sends through the gate.
    Send,
    /// Calls through the gate.
    Call,
    /// The same, and waits for no time at all.
    ImpatientCall,
    /// Sends to a thread.
    SendTo(usize),
    Wait,
    Reply,
    ReplyAndWait,
    /// Waits for this thread.
    ReceiveFrom(usize),
    /// ex_regs with CANCEL.
    Cancel(usize),
    /// Takes all capabilities to it away.
    Destroy(Target),
    /// Gives a thread another CPU.
    Migrate(usize, u64),
    /// Binds the gate.
    BindGate(usize),
    BindIrq(usize),
    Trigger,
    Up,
    Down,
    /// Maps a page from the one task to the other.
    Map,
    /// Takes what was mapped from the page back.
    Unmap,
    /// Becomes a vCPU that takes messages.
    BecomeVcpu,
    /// Goes on as a vCPU that takes messages.
    Resume,
    /// The same in a user task: the first thread's.
    ResumeInUserTask,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Target {
    Thread(usize),
    Task(usize),
    Gate,
    Irq,
    Semaphore,
}

/// What the slots of both tasks hold, by their offset from the first.
const THREADS: u64 = 0;
const GATE: u64 = 3;
const IRQ: u64 = 4;
const SEMAPHORE: u64 = 5;
const TASKS: u64 = 6;

/// Where the threads that become vCPUs have their state, one behind the other.
const AREA: u64 = UTCB_AREA + 0x3000;
const AREA_SIZE: u64 = size_of::<VcpuArea>() as u64;
const PAGE: u64 = TEST_MEMORY;
const COPY: u64 = TEST_MEMORY + 0x20_0000;

/// Three threads: the first two are in one task, the last one in another.
pub(super) struct Stage {
    pub(super) threads: [Ref<Thread>; 3],
    /// The first of the slots, and that of the scheduler.
    slots: u64,
    scheduler: u64,
    /// The operation that each thread makes next.
    pub(super) next: [usize; 3],
}

impl Stage {
    /// The threads begin on the CPUs `homes`.
    pub(super) fn new(world: &mut World, homes: [usize; 3]) -> Self {
        let tasks = [world.task(), world.task()];
        let own = world.on(homes[2]).thread(&tasks[1], 5);
        let first = world.on(homes[0]).thread(&tasks[0], 6);
        let second = world.on(homes[1]).thread(&tasks[0], 5);
        world.on(0);
        let threads = [first, second, own];
        let gate = world.gate(0x40, &threads[2]);
        let (irq, semaphore) = (world.irq(), world.semaphore());
        let mut slots = 0;
        let mut scheduler = 0;
        for task in &tasks {
            slots = world.give_full(task, threads[0].header());
            world.give_full(task, threads[1].header());
            world.give_full(task, threads[2].header());
            world.give_full(task, gate.header());
            world.give_full(task, irq.header());
            world.give_full(task, semaphore.header());
            world.give_full(task, tasks[0].header());
            world.give_full(task, tasks[1].header());
            scheduler = world.give_initial(task, slot::SCHEDULER);
        }
        let source = world.give_full(&tasks[0], world.sigma0_task().header());
        let page = Flexpage::memory(PAGE, 12, MemoryRights::RWX).raw();
        let map = [0, PAGE, page];
        let mapped = world.invoke(&threads[0], slots + TASKS, label::TASK, &map, Some(source));
        assert_eq!(mapped, 0);
        Self {
            threads,
            slots,
            scheduler,
            next: [0; 3],
        }
    }

    /// The thread that runs on CPU `id`.
    pub(super) fn running(&self, world: &World, id: usize) -> Option<usize> {
        let runs = |thread: &Ref<Thread>| {
            thread.home() as usize == id && world.cpu_of(thread).current.is(thread)
        };
        self.threads.iter().position(runs)
    }

    /// The number of a thread's task.
    fn task_of(number: usize) -> u64 {
        number as u64 / 2
    }

    /// Makes the system call `op` in the name of thread `number`.
    pub(super) fn perform(&self, world: &mut World, number: usize, op: Op) {
        let slot = |offset: u64| self.slots + offset;
        let thread = |other: usize| slot(THREADS + other as u64);
        let send = |world: &mut World, call: Syscall| {
            world.syscall(&self.threads[number], call);
        };
        let invoke = |world: &mut World, slot: u64, label, words: &[u64], argument| {
            world.start_invocation(&self.threads[number], slot, label, words, argument);
        };
        let bind = |world: &mut World, what: u64, id: u64, other: usize| {
            let words = [0x10, id];
            invoke(
                world,
                slot(what),
                label::KERNEL_OBJECT,
                &words,
                Some(thread(other)),
            );
        };
        match op {
            Op::Send => send(world, Syscall::send(slot(GATE))),
            Op::Call => send(world, Syscall::call(slot(GATE))),
            Op::ImpatientCall => {
                let call = Syscall::call(slot(GATE)).send_timeout(Timeout::ZERO);
                send(world, call.receive_timeout(Timeout::ZERO));
            }
            Op::SendTo(other) => send(world, Syscall::send(thread(other))),
            Op::ReceiveFrom(other) => send(world, Syscall::receive(thread(other))),
            Op::Wait => send(world, Syscall::wait()),
            Op::Reply => send(world, Syscall::reply().send_timeout(Timeout::ZERO)),
            Op::ReplyAndWait => {
                send(world, Syscall::reply_and_wait().send_timeout(Timeout::ZERO));
            }
            Op::Cancel(other) => {
                let words = [1 | 0x1_0000, u64::MAX, u64::MAX];
                invoke(world, thread(other), label::THREAD, &words, None);
            }
            Op::Destroy(target) => {
                let target = match target {
                    Target::Thread(other) => THREADS + other as u64,
                    Target::Task(other) => TASKS + other as u64,
                    Target::Gate => GATE,
                    Target::Irq => IRQ,
                    Target::Semaphore => SEMAPHORE,
                };
                let page = Flexpage::object(slot(target), CapabilityRights::FULL);
                let words = [1, 0xc000_0000, page.raw()];
                let own = slot(TASKS + Self::task_of(number));
                invoke(world, own, label::TASK, &words, None);
            }
            Op::Migrate(other, cpu) => {
                let words = [1, 0, 1 << cpu, 5, 0];
                let thread = Some(thread(other));
                invoke(world, self.scheduler, label::SCHEDULER, &words, thread);
            }
            Op::BindGate(other) => bind(world, GATE, 0x80, other),
            Op::BindIrq(other) => bind(world, IRQ, 0x123, other),
            Op::Trigger => send(world, Syscall::send(slot(IRQ)).tag(label::IRQ, 0, 0)),
            Op::Up => send(world, Syscall::send(slot(SEMAPHORE)).tag(label::IRQ, 0, 0)),
            Op::Down => invoke(world, slot(SEMAPHORE), label::SEMAPHORE, &[0], None),
            Op::Map => {
                let item = MapItem::memory(PAGE, 12, MemoryRights::RWX);
                let page = SendItem::Map(item).words()[1];
                let from = Some(slot(TASKS));
                invoke(world, slot(TASKS + 1), label::TASK, &[0, COPY, page], from);
            }
            Op::Unmap => {
                let page = Flexpage::memory(PAGE, 12, MemoryRights::RWX);
                let words = [1, 0, page.raw()];
                invoke(world, slot(TASKS), label::TASK, &words, None);
            }
            Op::BecomeVcpu => {
                let area = AREA + number as u64 * AREA_SIZE;
                let words = [Opcode::VcpuControl.word(), area];
                invoke(world, thread(number), label::THREAD, &words, None);
                // What waits already is for a resume to take.
                if let Some(area) = self.own_area(world, number)
                    && !area.is_irq_pending()
                {
                    area.set_state(StateFlags::IRQ);
                }
            }
            Op::Resume | Op::ResumeInUserTask => {
                if let Some(area) = self.own_area(world, number) {
                    area.set_saved_state(StateFlags::IRQ);
                    if let Op::ResumeInUserTask = op {
                        area.set_saved_state(StateFlags::IRQ | StateFlags::USER_MODE);
                        area.set_user_task(UserTask::new(Selector::new(slot(TASKS))));
                    }
                }
                let words = [Opcode::VcpuResume.word()];
                invoke(world, thread(number), label::THREAD, &words, None);
            }
        }
    }

    /// The state that the thread can write to where it is, if it is a vCPU.
    fn own_area<'a>(&'a self, world: &'a World, number: usize) -> Option<&'a VcpuArea> {
        let thread = &self.threads[number];
        let cpu = world.cpu_of(thread);
        let in_user_task = thread.state(cpu).vcpu.is_in_user_task();
        thread.vcpu_area(cpu).filter(|_| !in_user_task)
    }
}
