//! The fast path never makes a difference: two kernels, one with it and one
//! without, perform the same random steps and look the same after each.

use std::cell::Cell;

use l4_abi::capability::{Selector, slot};
use l4_abi::item::{MapItem, ReceiveBuffer, SendItem};
use l4_abi::protocol::factory::ObjectType;
use l4_abi::protocol::irq::BindOpcode;
use l4_abi::protocol::thread::ControlFlags;
use l4_abi::protocol::{self, label};
use l4_abi::rights::CapabilityRights;
use l4_abi::timeout::TimeoutPair;
use l4_abi::utcb::MESSAGE_REGISTERS;
use machine::event::Source as Interrupt;
use machine::page_table::Leaf;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::fast::{FAULTS, PAGE, PAGES, fault_at, give_pages, item};
use super::*;
use crate::object::irq::Irq;
use crate::object::thread::{Purpose, Stop};
use crate::testing::UTCB_AREA;

#[derive(Clone, Debug)]
enum Step {
    /// The running thread, or another one, makes a system call.
    Syscall(usize, Syscall),
    /// The running thread, or another one, touches a page.
    Fault(usize, u64),
    /// The running thread serves, or calls a server, with so many words.
    Usual(usize),
    Trigger(usize),
    /// The running thread triggers.
    Fire(usize),
    /// The running thread asks whether it has a capability.
    Ask(u64),
    /// The running thread gives a thread a priority.
    Schedule(usize, u64),
    /// The running thread makes a thread; binds, gives registers to, or runs that
    /// or another one, rightly or not.
    Make(usize, u64, u64),
    Time(u64),
    /// ex_regs of a thread, with an exception.
    Stop(usize),
    Alien(usize, bool),
}

const THREADS: usize = 4;
/// Slots of every task: the threads, then gates to the first two.
const FIRST: u64 = 0x100;
const PARTNERS: u64 = THREADS as u64 + 2;
/// Behind those, the interrupts.
const IRQS: u64 = FIRST + PARTNERS;
const OWN_TASK: u64 = IRQS + 2;
const SCHEDULER: u64 = OWN_TASK + 1;
const FACTORY: u64 = SCHEDULER + 1;
/// The last thread that was made.
const MADE: u64 = FACTORY + 1;

fn step() -> impl Strategy<Value = Step> {
    let timeout = || {
        prop_oneof![
            20 => Just(Timeout::NEVER),
            1 => Just(Timeout::ZERO),
            1 => Just(Timeout::from_micros(200)),
        ]
    };
    let flags = prop_oneof![
        20 => Just(TagFlags::empty()),
        1 => (0..16_u64).prop_map(|bits| TagFlags::from_bits_retain(bits << 12)),
    ];
    let label = prop_oneof![20 => 0..3_i64, 1 => -12..0_i64];
    let reply_slot = prop_oneof![20 => Just(None), 1 => (0..2_u64).prop_map(Some)];
    let kind = (0..PARTNERS, reply_slot).prop_flat_map(|(partner, reply_slot)| {
        let explicit = move |call: Syscall| match reply_slot {
            Some(slot) => call.reply_slot(slot),
            None => call,
        };
        prop_oneof![
            8 => Just(Syscall::call(FIRST + partner)),
            8 => Just(explicit(Syscall::reply_and_wait())),
            4 => Just(explicit(Syscall::wait())),
            1 => Just(Syscall::send(FIRST + partner)),
            1 => Just(Syscall::receive(FIRST + partner)),
            1 => Just(explicit(Syscall::reply())),
            1 => Just(Syscall::sleep()),
        ]
    });
    let syscall = (kind, label, 0..64_usize, flags, timeout(), timeout()).prop_map(
        |(call, label, words, flags, send, receive)| Syscall {
            timeouts: TimeoutPair::new(send, receive),
            ..call.flags(flags).tag(label, words, 0).label(0x1234)
        },
    );
    let thread = prop_oneof![4 => Just(0), 1 => 0..THREADS];
    prop_oneof![
        60 => (thread, syscall).prop_map(|(thread, call)| Step::Syscall(thread, call)),
        60 => (0..64_usize).prop_map(Step::Usual),
        30 => (0..THREADS, 0..4_u64).prop_map(|(thread, page)| Step::Fault(thread, page)),
        1 => (0..2_usize).prop_map(Step::Trigger),
        10 => (0..2_usize).prop_map(Step::Fire),
        5 => (0..PARTNERS + 5).prop_map(Step::Ask),
        5 => (0..THREADS, 2..6_u64).prop_map(|(thread, priority)| Step::Schedule(thread, priority)),
        20 => (0..4_usize, prop_oneof![2 => Just(MADE), 1 => FIRST..MADE], 0..8_u64)
            .prop_map(|(operation, target, choice)| Step::Make(operation, target, choice)),
        1 => prop_oneof![0..400_u64, Just(20_000)].prop_map(Step::Time),
        1 => (0..THREADS).prop_map(Step::Stop),
        1 => (0..THREADS, prop::bool::weighted(0.2))
            .prop_map(|(thread, alien)| Step::Alien(thread, alien)),
    ]
}

/// What can be seen of a world, with threads told by their places.
#[derive(Debug, PartialEq)]
struct Picture {
    running: Option<usize>,
    /// Of both tasks, where threads fault.
    pages: Vec<Option<Leaf>>,
    threads: Vec<(Doing, u64, Vec<u64>, Option<usize>)>,
    /// Instruction and stack pointer, pager and priority of those, and of the threads
    /// that were made last.
    registers: Vec<[u64; 4]>,
}

/// A world in which the steps happen.
struct Stage {
    tasks: [TestTask; 2],
    threads: Vec<Ref<Thread>>,
    irqs: Vec<Ref<Irq>>,
    /// System calls that took the fast path.
    fast: Cell<usize>,
}

impl Stage {
    fn new(world: &mut World) -> Self {
        let tasks = [(); 2].map(|()| world.task());
        let threads: Vec<_> = (0..THREADS)
            .map(|number| world.thread(&tasks[number % 2], 3 + (number == 3) as u8))
            .collect();
        let gates = [0, 1].map(|number| world.gate(0x40 << number, &threads[number]));
        let irqs: Vec<_> = (0..2).map(|_| world.irq()).collect();
        for task in &tasks {
            for thread in &threads {
                world.give_full(task, thread.header());
            }
            for gate in &gates {
                world.give_full(task, gate.header());
            }
        }
        for (number, irq) in irqs.iter().enumerate() {
            let [slot, _] = [0, 1].map(|task: usize| world.give_full(&tasks[task], irq.header()));
            let words = [BindOpcode::BindThread.word(), 0x55];
            let thread = Some(FIRST + number as u64);
            world.invoke(&threads[0], slot, label::KERNEL_OBJECT, &words, thread);
        }
        for task in &tasks {
            assert_eq!(world.give_full(task, task.header()), OWN_TASK);
            assert_eq!(world.give_initial(task, slot::SCHEDULER), SCHEDULER);
            assert_eq!(world.give_initial(task, slot::FACTORY), FACTORY);
        }
        for (thread, number) in threads.iter().zip(0..) {
            let state = thread.state(world.cpu);
            state.exception_handler.set(FIRST + 4);
            state.pager.set(FIRST + 4 + number % 2);
        }
        for task in &tasks {
            give_pages(world, task, PAGES);
        }
        Self {
            tasks,
            threads,
            irqs,
            fast: Cell::new(0),
        }
    }

    fn perform(&self, world: &mut World, number: u64, step: &Step) {
        match step {
            Step::Syscall(choice, call) => self.syscall(world, number, *choice, |_, _| *call),
            Step::Fire(irq) => {
                let call = Syscall::send(IRQS + *irq as u64).tag(label::IRQ, 0, 0);
                self.syscall(world, number, 0, |_, _| call);
            }
            Step::Ask(slot) => self.ask(world, FIRST + slot),
            Step::Schedule(thread, priority) => self.syscall(world, number, 0, |world, caller| {
                let opcode = protocol::scheduler::Opcode::RunThread.word();
                let thread = FIRST + *thread as u64;
                let item = MapItem::capability(thread, CapabilityRights::RWSD);
                let words = [opcode, 0, 1, *priority, 0];
                let item = SendItem::Map(item).words();
                world.write(caller, &[words.as_slice(), item.as_slice()].concat());
                Syscall::call(SCHEDULER).tag(label::SCHEDULER, 5, 1)
            }),
            Step::Make(operation, target, choice) => {
                self.syscall(world, number, 0, |world, caller| {
                    Self::make(world, caller, *operation, *target, *choice)
                });
            }
            Step::Usual(words) => self.syscall(world, number, 0, |world, thread| {
                self.usual(world, thread, *words)
            }),
            Step::Fault(choice, page) => {
                if let Some(thread) = self.able(world, *choice) {
                    world.fault(&thread, fault_at(FAULTS + page * PAGE));
                }
            }
            Step::Trigger(irq) => {
                self.irqs[*irq].hit(world.cpu);
                world.enter(Interrupt::Spurious);
            }
            Step::Time(micros) => world.advance(*micros),
            Step::Stop(thread) => {
                let thread = &self.threads[*thread];
                thread.set_stop(world.cpu, Stop::Triggered);
                world.cpu.reschedule.set(true);
                world.enter(Interrupt::Spurious);
            }
            Step::Alien(thread, alien) => {
                self.threads[*thread].set_alien(world.cpu, *alien);
            }
        }
    }

    fn make(world: &World, caller: &Thread, operation: usize, target: u64, choice: u64) -> Syscall {
        let item = |capability| {
            let item = MapItem::capability(capability, CapabilityRights::RWSD);
            SendItem::Map(item).words()
        };
        // Most often rightly.
        let wrong = |at: u64| u64::from(choice == at);
        let (call, words, argument) = match operation {
            0 => {
                world.write_buffers(caller, &[ReceiveBuffer::slot_word(MADE, choice == 1)]);
                let kind = match choice {
                    2 => ObjectType::Semaphore,
                    _ => ObjectType::Thread,
                };
                let call = Syscall::call(FACTORY).tag(label::FACTORY, 1, 0);
                (call, vec![kind.word()], None)
            }
            1 => {
                let flags = ControlFlags::BIND_TASK
                    .union(ControlFlags::SET_PAGER)
                    .bits();
                let utcb = UTCB_AREA + 0x800 + wrong(1) + wrong(2) * 0x10_0000;
                let words = vec![flags ^ wrong(3) << 21, FIRST << 12, 0, 0, 0, utcb];
                let call = Syscall::call(target).tag(label::THREAD, 6, 1);
                (call, words, Some(OWN_TASK - wrong(4)))
            }
            2 => {
                let request = 1 | wrong(1) << 16 | wrong(2) << 24;
                let words = vec![request, choice << 12, u64::MAX];
                (Syscall::call(target).tag(label::THREAD, 3, 0), words, None)
            }
            _ => {
                let words = vec![1 - wrong(1), 0, 1, 2 + choice, 100_000];
                let call = Syscall::call(SCHEDULER).tag(label::SCHEDULER, 5, 1);
                (call, words, Some(target))
            }
        };
        let words = [words, argument.map_or(vec![], |slot| item(slot).to_vec())];
        world.write(caller, &words.concat());
        call
    }

    fn ask(&self, world: &mut World, slot: u64) {
        if let Some(thread) = self.threads.iter().find(|thread| world.runs(thread)) {
            let opcode = protocol::task::Opcode::CapabilityInfo.word();
            world.write(thread, &[opcode, Selector::new(slot).raw()]);
            world.syscall(thread, Syscall::call(OWN_TASK).tag(label::TASK, 2, 0));
        }
    }

    /// The thread of this `choice` among those that can do something, the
    /// running one first. If none can, their waits end.
    fn able(&self, world: &mut World, choice: usize) -> Option<Ref<Thread>> {
        let can_run = |thread: &&Ref<Thread>| {
            thread.is_runnable(world.cpu) && !thread.has_deferred(world.cpu)
        };
        let mut able: Vec<_> = self.threads.iter().filter(can_run).collect();
        able.sort_by_key(|thread| !world.runs(thread));
        if able.is_empty() {
            self.threads
                .iter()
                .for_each(|thread| thread.cancel(world.cpu));
            world.enter(Interrupt::Spurious);
            return None;
        }
        Some(able[choice % able.len()].clone())
    }

    fn syscall(
        &self,
        world: &mut World,
        number: u64,
        choice: usize,
        call: impl FnOnce(&World, &Thread) -> Syscall,
    ) {
        let Some(thread) = self.able(world, choice) else {
            return;
        };
        let thread = &*thread;
        let words: Vec<u64> = (0..MESSAGE_REGISTERS as u64)
            .map(|word| number << 8 | word)
            .collect();
        world.write(thread, &words);
        let call = call(world, thread);
        let before = world.short_syscalls.get();
        world.syscall(thread, call);
        let fast = world.short_syscalls.get() - before;
        self.fast.set(self.fast.get() + fast);
    }

    /// The first two threads serve, and give a page for a fault, the others
    /// call them.
    fn usual(&self, world: &World, thread: &Thread, words: usize) -> Syscall {
        if let Some(caller) = thread.reply.caller(world.cpu)
            && let Purpose::PageFault(fault) = caller.state(world.cpu).purpose.get()
        {
            let item = item((fault - FAULTS) / PAGE);
            world.write(thread, &SendItem::Map(item).words());
            return Syscall::reply_and_wait().tag(0, 0, words % 4);
        }
        let call = if thread.id <= self.threads[1].id {
            if thread.reply.is_empty() {
                Syscall::wait()
            } else {
                Syscall::reply_and_wait()
            }
        } else {
            Syscall::call(FIRST + THREADS as u64 + words as u64 % 2)
        };
        call.tag(1, words, 0)
    }

    fn picture(&self, world: &World) -> Picture {
        let place = |id: u64| self.threads.iter().position(|thread| thread.id == id);
        let threads = self.threads.iter().map(|thread| {
            let doing = match world.doing(thread) {
                Doing::Waits(Waiting::Receive(Source::Thread(id))) => {
                    let place = place(id).map_or(u64::MAX, |place| place as u64);
                    Doing::Waits(Waiting::Receive(Source::Thread(place)))
                }
                doing => doing,
            };
            let words = (0..MESSAGE_REGISTERS).map(|index| world.word(thread, index));
            let answers = |other: &Ref<Thread>| thread.reply.names(other);
            let caller = self.threads.iter().position(answers);
            (doing, world.label(thread), words.collect(), caller)
        });
        let pages = self.tasks.iter().flat_map(|task| {
            let page = |page| task.task.memory.space().page_at(FAULTS + page * PAGE);
            (0..4).map(move |index| page(index).map(|(leaf, _)| leaf))
        });
        let registers = |thread: &Thread| {
            let state = thread.state(world.cpu);
            let frame = &state.context.frame;
            let priority = u64::from(state.priority.get());
            [frame.ip(), frame.sp(), state.pager.get(), priority]
        };
        let made = self.tasks.iter().filter_map(|task| {
            let entry = task.task.capabilities.lookup(world.cpu, MADE)?;
            entry.object.downcast().map(registers)
        });
        let own = self.threads.iter().map(|thread| registers(thread));
        Picture {
            registers: own.chain(made).collect(),
            pages: pages.collect(),
            threads: threads.collect(),
            running: self.threads.iter().position(|thread| world.runs(thread)),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn the_world_is_the_same_without_it(steps in prop::collection::vec(step(), 1..60)) {
        run(|one| run(|other| {
            other.fast = false;
            let (fast, slow) = (Stage::new(one), Stage::new(other));
            for (number, step) in steps.iter().enumerate() {
                fast.perform(one, number as u64, step);
                slow.perform(other, number as u64, step);
                assert_eq!(fast.picture(one), slow.picture(other), "after step {number}");
            }
            other.fast = true;
        }));
    }
}

#[test]
fn random_steps_take_it_often() {
    let mut runner = TestRunner::deterministic();
    let mut fast = 0;
    for _ in 0..40 {
        let steps = prop::collection::vec(step(), 50).new_tree(&mut runner);
        let steps = steps.expect("steps").current();
        run(|world| {
            let stage = Stage::new(world);
            for (number, step) in steps.iter().enumerate() {
                stage.perform(world, number as u64, step);
            }
            fast += stage.fast.get();
        });
    }
    assert!(fast > 100, "{fast} times only");
}
