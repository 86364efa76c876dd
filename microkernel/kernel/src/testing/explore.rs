//! Every order in which two CPUs can get on: short programs of three threads
//! are run again and again, each time with another choice of which CPU moves
//! next, until all choices have been made.
//!
//! A step is one kernel entry: a system call of the thread that runs on a CPU,
//! or a CPU noticing that another one has interrupted it. After each step the
//! invariants are checked; when nothing moves any more, that nobody waits for
//! what is there ([`check_rest`]).

use l4_abi::capability::slot;
use l4_abi::flexpage::Flexpage;
use l4_abi::item::{MapItem, SendItem};
use l4_abi::protocol::label;
use l4_abi::protocol::thread::Opcode;
use l4_abi::rights::{CapabilityRights, MemoryRights};
use l4_abi::timeout::Timeout;
use l4_abi::vcpu::StateFlags;

use super::{Syscall, TEST_MEMORY, TestTask, UTCB_AREA, World, run_on};
use crate::object::Ref;
use crate::object::thread::{Life, Source, Thread, Waiting};

/// One system call of a program; threads are named by their numbers.
#[derive(Clone, Copy, Debug)]
enum Op {
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
    /// Destroys a thread, the gate, the interrupt sender, the semaphore.
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
}

#[derive(Clone, Copy, Debug)]
enum Target {
    Thread(usize),
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

/// Where the thread that becomes a vCPU has its state.
const AREA: u64 = UTCB_AREA + 0x3000;
const PAGE: u64 = TEST_MEMORY;
const COPY: u64 = TEST_MEMORY + 0x20_0000;

/// Three threads: two of CPU 0 in one task, one of CPU 1 in another.
struct Stage {
    threads: [Ref<Thread>; 3],
    tasks: [TestTask; 2],
    /// The first of the slots, and that of the scheduler.
    slots: u64,
    scheduler: u64,
    /// The operation that each thread makes next.
    next: [usize; 3],
}

impl Stage {
    fn new(world: &mut World) -> Self {
        let tasks = [world.task(), world.task()];
        let own = world.on(1).thread(&tasks[1], 5);
        let others = [6, 5].map(|priority| world.on(0).thread(&tasks[0], priority));
        let [first, second] = others;
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
            tasks,
            slots,
            scheduler,
            next: [0; 3],
        }
    }

    /// The thread that runs on CPU `id`.
    fn running(&self, world: &World, id: usize) -> Option<usize> {
        let runs = |thread: &Ref<Thread>| {
            thread.home() as usize == id && world.cpu_of(thread).current.is(thread)
        };
        self.threads.iter().position(runs)
    }

    /// Makes the system call `op` in the name of thread `number`.
    fn perform(&self, world: &mut World, number: usize, op: Op) {
        let thread = &self.threads[number];
        let invoke = |world: &mut World, slot: u64, label, words: &[u64], argument| {
            world.start_invocation(thread, slot, label, words, argument);
        };
        let send = |world: &mut World, call: Syscall| {
            world.syscall(thread, call);
        };
        let slot = |offset: u64| self.slots + offset;
        match op {
            Op::Send => send(world, Syscall::send(slot(GATE))),
            Op::Call => send(world, Syscall::call(slot(GATE))),
            Op::ImpatientCall => {
                let call = Syscall::call(slot(GATE)).send_timeout(Timeout::ZERO);
                send(world, call.receive_timeout(Timeout::ZERO));
            }
            Op::SendTo(other) => send(world, Syscall::send(slot(THREADS + other as u64))),
            Op::ReceiveFrom(other) => send(world, Syscall::receive(slot(THREADS + other as u64))),
            Op::Wait => send(world, Syscall::wait()),
            Op::Reply => send(world, Syscall::reply().send_timeout(Timeout::ZERO)),
            Op::ReplyAndWait => {
                send(world, Syscall::reply_and_wait().send_timeout(Timeout::ZERO));
            }
            Op::Cancel(other) => {
                let words = [1 | 0x1_0000, u64::MAX, u64::MAX];
                invoke(
                    world,
                    slot(THREADS + other as u64),
                    label::THREAD,
                    &words,
                    None,
                );
            }
            Op::Destroy(target) => {
                let target = match target {
                    Target::Thread(other) => THREADS + other as u64,
                    Target::Gate => GATE,
                    Target::Irq => IRQ,
                    Target::Semaphore => SEMAPHORE,
                };
                let page = Flexpage::object(slot(target), CapabilityRights::FULL);
                let words = [1, 0xc000_0000, page.raw()];
                let own = TASKS + number as u64 / 2;
                invoke(world, slot(own), label::TASK, &words, None);
            }
            Op::Migrate(other, cpu) => {
                let words = [1, 0, 1 << cpu, 5, 0];
                let thread = Some(slot(THREADS + other as u64));
                invoke(world, self.scheduler, label::SCHEDULER, &words, thread);
            }
            Op::BindGate(other) => {
                let thread = Some(slot(THREADS + other as u64));
                invoke(
                    world,
                    slot(GATE),
                    label::KERNEL_OBJECT,
                    &[0x10, 0x80],
                    thread,
                );
            }
            Op::BindIrq(other) => {
                let thread = Some(slot(THREADS + other as u64));
                invoke(
                    world,
                    slot(IRQ),
                    label::KERNEL_OBJECT,
                    &[0x10, 0x123],
                    thread,
                );
            }
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
                let words = [Opcode::VcpuControl.word(), AREA];
                invoke(
                    world,
                    slot(THREADS + number as u64),
                    label::THREAD,
                    &words,
                    None,
                );
                if let Some(area) = thread.vcpu_area(world.cpu_of(thread)) {
                    area.set_state(StateFlags::IRQ);
                }
            }
            Op::Resume => {
                if let Some(area) = thread.vcpu_area(world.cpu_of(thread)) {
                    area.set_saved_state(StateFlags::IRQ);
                }
                let words = [Opcode::VcpuResume.word()];
                invoke(
                    world,
                    slot(THREADS + number as u64),
                    label::THREAD,
                    &words,
                    None,
                );
            }
        }
    }
}

/// What can happen next.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The thread that runs on the CPU goes on with its program.
    Run(usize),
    /// The CPU notices that another one has interrupted it.
    Notice(usize),
}

/// A run with the choices in `path`, and the first one behind it; what could
/// have been chosen is noted there.
fn run_once(world: &mut World, programs: &[&[Op]; 3], path: &mut Vec<(usize, usize)>) {
    let mut stage = Stage::new(world);
    world.deliver_all();
    let mut depth = 0;
    loop {
        let mut steps = Vec::new();
        for id in 0..world.cpus() {
            if world.is_interrupted(id) {
                steps.push(Step::Notice(id));
            }
            if stage.running(world, id).is_some() {
                steps.push(Step::Run(id));
            }
        }
        let Some(last) = steps.len().checked_sub(1) else {
            break;
        };
        if depth == path.len() {
            path.push((0, last));
        }
        let (choice, options) = path[depth];
        assert_eq!(options, last, "a run with the same choices is another one");
        match steps[choice] {
            Step::Notice(id) => world.deliver(id),
            Step::Run(id) => {
                let number = stage.running(world, id).expect("it runs");
                let next = stage.next[number];
                stage.next[number] += 1;
                match programs[number].get(next) {
                    Some(op) => stage.perform(world, number, *op),
                    None => drop(world.syscall(&stage.threads[number], Syscall::sleep())),
                }
            }
        }
        depth += 1;
        assert!(depth < 100, "a program does not end");
    }
    check_rest(world, &stage);
    drop(stage.tasks);
}

/// Nobody waits for something that is there.
fn check_rest(world: &World, stage: &Stage) {
    for thread in &stage.threads {
        let cpu = world.cpu_of(thread);
        let state = thread.state(cpu);
        match state.waiting.get() {
            _ if state.life.get() != Life::Alive => {}
            Waiting::Nothing | Waiting::Remote => panic!("it does not move"),
            Waiting::Send => {
                let receiver = state.receiver.get(cpu).expect("it has a receiver");
                let receives = match receiver.state(world.cpu_of(receiver)).waiting.get() {
                    Waiting::Receive(Source::Anyone) => true,
                    Waiting::Receive(Source::Thread(id)) => id == thread.id,
                    _ => false,
                };
                assert!(!receives, "a message is not taken");
            }
            Waiting::Receive(source) => {
                let mailbox = &thread.mailbox;
                let waits = match source {
                    Source::Anyone => !mailbox.is_empty(),
                    Source::Thread(id) => mailbox.sender(cpu, Some(id)).is_some(),
                    Source::Irq(id) => mailbox.irq(cpu, Some(id)).is_some(),
                    Source::Nobody => false,
                };
                assert!(!waits, "a message is not taken");
            }
            Waiting::Gate => {
                let gate = state.gate.get(cpu).expect("it has a gate");
                assert!(gate.target(cpu).is_none(), "it is not told of the binding");
            }
            Waiting::Semaphore => {
                let semaphore = state.semaphore.get(cpu).expect("it has a semaphore");
                assert_eq!(semaphore.counter(), 0, "a raise is lost");
            }
        }
    }
}

/// Runs the programs in every order; how many there are.
fn explore(programs: &[&[Op]; 3]) -> usize {
    let mut path: Vec<(usize, usize)> = Vec::new();
    let mut runs = 0;
    loop {
        run_on(2, |world| run_once(world, programs, &mut path));
        runs += 1;
        // The next choice, in the last place where there is one.
        while path.pop_if(|(choice, last)| choice == last).is_some() {}
        match path.last_mut() {
            Some((choice, _)) => *choice += 1,
            None => return runs,
        }
    }
}

/// Explores the programs, of which there are at least so many orders.
fn explore_all(least: usize, systems: &[[&[Op]; 3]]) {
    let runs: usize = systems.iter().map(explore).sum();
    println!("{runs} orders of {} systems", systems.len());
    assert!(runs >= least, "only {runs} orders");
}

/// What the programs do, in pieces.
const CALLS: &[Op] = &[Op::Call, Op::Call];
const SERVES: &[Op] = &[Op::Wait, Op::ReplyAndWait, Op::ReplyAndWait];
const NOTHING: &[Op] = &[];

#[test]
fn messages() {
    explore_all(
        100,
        &[
            [CALLS, NOTHING, SERVES],
            [&[Op::Call], &[Op::Call], SERVES],
            [&[Op::Call], &[Op::Send], &[Op::Wait, Op::Wait, Op::Reply]],
            [&[Op::ImpatientCall, Op::Send], NOTHING, SERVES],
            [
                &[Op::SendTo(2), Op::ReceiveFrom(2)],
                NOTHING,
                &[Op::SendTo(0), Op::ReceiveFrom(0)],
            ],
            [
                &[Op::Call],
                &[Op::SendTo(0)],
                &[Op::Wait, Op::SendTo(0), Op::Reply],
            ],
        ],
    );
}

#[test]
fn cancellation() {
    explore_all(
        100,
        &[
            [&[Op::Call], &[Op::Cancel(0)], SERVES],
            [
                &[Op::Call],
                NOTHING,
                &[Op::Cancel(0), Op::Wait, Op::Cancel(0), Op::Reply],
            ],
            [
                &[Op::Cancel(2), Op::Cancel(2)],
                &[Op::Send],
                &[Op::Wait, Op::Wait],
            ],
            [&[Op::Down], &[Op::Up], &[Op::Cancel(0), Op::Down]],
        ],
    );
}

#[test]
fn ends() {
    explore_all(
        100,
        &[
            [&[Op::Call], &[Op::Destroy(Target::Thread(2))], SERVES],
            [&[Op::Call], &[Op::Destroy(Target::Thread(0))], SERVES],
            [
                &[Op::Call],
                &[Op::Send],
                &[Op::Destroy(Target::Thread(0)), Op::Wait, Op::Reply],
            ],
            [&[Op::Call], &[Op::Destroy(Target::Gate)], SERVES],
            [
                &[Op::Down],
                &[Op::Destroy(Target::Semaphore)],
                &[Op::Up, Op::Down],
            ],
            [
                &[Op::Trigger],
                &[Op::Destroy(Target::Irq)],
                &[Op::BindIrq(2), Op::Wait],
            ],
            [
                &[Op::Destroy(Target::Thread(2))],
                NOTHING,
                &[Op::Destroy(Target::Thread(0))],
            ],
        ],
    );
}

#[test]
fn moves() {
    explore_all(
        100,
        &[
            [&[Op::Call], &[Op::Migrate(0, 1)], SERVES],
            [&[Op::Call], &[Op::Migrate(2, 0)], SERVES],
            [
                &[Op::Migrate(0, 1), Op::Call],
                NOTHING,
                &[Op::Wait, Op::Migrate(2, 0), Op::Reply],
            ],
            [&[Op::Migrate(2, 0)], &[Op::Cancel(2)], &[Op::Wait]],
            [
                &[Op::Migrate(2, 0)],
                &[Op::Destroy(Target::Thread(2))],
                &[Op::Down],
            ],
            [
                &[Op::Migrate(2, 0)],
                &[Op::Trigger],
                &[Op::BindIrq(2), Op::Wait],
            ],
        ],
    );
}

#[test]
fn signals_and_bindings() {
    explore_all(
        100,
        &[
            [
                &[Op::Trigger, Op::Trigger],
                NOTHING,
                &[Op::BindIrq(2), Op::Wait, Op::Wait],
            ],
            [
                &[Op::Trigger],
                &[Op::BindIrq(0)],
                &[Op::BindIrq(2), Op::Wait],
            ],
            [&[Op::Up, Op::Up], &[Op::Down], &[Op::Down, Op::Up]],
            [
                &[Op::Call],
                &[Op::BindGate(1), Op::Wait, Op::Reply],
                &[Op::BindGate(2), Op::Wait, Op::Reply],
            ],
        ],
    );
}

#[test]
fn mappings() {
    explore_all(
        10,
        &[
            [&[Op::Map, Op::Unmap], NOTHING, &[Op::Map, Op::Unmap]],
            [&[Op::Map], &[Op::Unmap], &[Op::Map, Op::Migrate(0, 1)]],
        ],
    );
}

#[test]
fn vcpus() {
    explore_all(
        100,
        &[
            [
                &[Op::SendTo(2)],
                &[Op::ImpatientCall],
                &[Op::BecomeVcpu, Op::Resume, Op::Resume],
            ],
            [
                &[Op::Trigger, Op::Trigger],
                NOTHING,
                &[Op::BindIrq(2), Op::BecomeVcpu, Op::Resume, Op::Resume],
            ],
            [
                &[Op::Call],
                &[Op::Migrate(2, 0)],
                &[Op::BecomeVcpu, Op::Resume, Op::Reply],
            ],
            [
                &[Op::Call],
                &[Op::Destroy(Target::Thread(2))],
                &[Op::BecomeVcpu, Op::Resume],
            ],
            [
                &[Op::Call],
                &[Op::Cancel(0)],
                &[Op::BecomeVcpu, Op::Resume, Op::Resume],
            ],
        ],
    );
}

/// What a thread may do while the others do something.
const ANYTHING: [Op; 22] = [
    Op::Call,
    Op::Down,
    Op::Cancel(2),
    Op::Migrate(0, 1),
    Op::Send,
    Op::Destroy(Target::Thread(2)),
    Op::Wait,
    Op::Trigger,
    Op::Up,
    Op::BindGate(1),
    Op::Destroy(Target::Thread(0)),
    Op::ImpatientCall,
    Op::Cancel(0),
    Op::Migrate(2, 0),
    Op::BindIrq(2),
    Op::Destroy(Target::Gate),
    Op::SendTo(1),
    Op::ReceiveFrom(2),
    Op::BindIrq(0),
    Op::Destroy(Target::Semaphore),
    Op::Map,
    Op::Unmap,
];

/// Each thread makes one system call, and the last one then serves: every
/// `stride`th choice of what they do, in every order.
fn explore_anything(stride: usize) -> usize {
    const COUNT: usize = ANYTHING.len();
    let numbers = (0..COUNT * COUNT * COUNT).step_by(stride);
    let programs = numbers.map(|number| {
        let pick = |place: usize| ANYTHING[number / place % COUNT];
        let last = [pick(1), Op::Wait, Op::ReplyAndWait];
        explore(&[&[pick(COUNT * COUNT)], &[pick(COUNT)], &last])
    });
    programs.sum()
}

#[test]
fn some_of_anything() {
    let runs = explore_anything(211);
    println!("{runs} orders");
    assert!(runs > 1000);
}

/// All of it takes a while.
#[test]
#[ignore = "takes minutes: for --long"]
fn all_of_anything() {
    assert!(explore_anything(1) > 100_000);
}
