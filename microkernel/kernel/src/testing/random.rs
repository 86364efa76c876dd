//! Random system calls, faults and interrupts of a few threads that have
//! capabilities to one another and to objects of every kind: whatever they
//! do, the kernel does not panic, the invariants hold, and at the end all
//! memory is back.

use l4_abi::capability::{Selector, slot};
use l4_abi::flexpage::Flexpage;
use l4_abi::item::{ItemControl, ItemFlags, MapItem, ReceiveBuffer};
use l4_abi::message_tag::{MessageTag, TagFlags};
use l4_abi::operation::Operation;
use l4_abi::protocol::{self, factory::ObjectType, label};
use l4_abi::rights::{CapabilityRights, MemoryRights};
use l4_abi::timeout::{Timeout, TimeoutPair};
use l4_abi::vcpu::{StateFlags, UserTask};
use machine::event::{Fault, Source};
use proptest::prelude::*;

use super::{FIRST_SLOT, Syscall, TestTask, UTCB_AREA, World, run};
use crate::object::Ref;
use crate::object::thread::Thread;

/// Slots of each task, by what is in them at the start.
mod slots {
    use super::FIRST_SLOT;
    pub(super) const THREADS: u64 = FIRST_SLOT;
    pub(super) const TASKS: u64 = THREADS + 5;
    pub(super) const GATES: u64 = TASKS + 3;
    pub(super) const IRQS: u64 = GATES + 3;
    pub(super) const SEMAPHORE: u64 = IRQS + 2;
    pub(super) const FACTORY: u64 = SEMAPHORE + 1;
    pub(super) const SCHEDULER: u64 = FACTORY + 1;
    pub(super) const ICU: u64 = SCHEDULER + 1;
    pub(super) const VLOG: u64 = ICU + 1;
    pub(super) const EMPTY: u64 = VLOG + 1;
    pub(super) const END: u64 = EMPTY + 8;
}

/// Where the tasks have memory.
const MEMORY: u64 = 0x20_0000;
const MEMORY_END: u64 = MEMORY + 3 * 0x8_0000;

/// What happens.
#[derive(Clone, Debug)]
enum Step {
    /// A thread that could run makes a system call; 0: the one that runs.
    Syscall(usize, Message, Syscall),
    /// The running thread makes a fault.
    Fault(Fault),
    /// A device wants something.
    Pin(u32),
    /// Somebody who shares a thread's UTCB writes to it, while the thread may
    /// be in a system call.
    Write(usize, Vec<u64>),
    /// A device will want something as soon as the kernel lets it.
    Pending,
    /// Time passes.
    Time(u64),
    /// The root task gives a task a capability (an offset in its own slots)
    /// back to a slot, if that is empty.
    Give(usize, u64, u64),
    /// The root task makes another thread in a task.
    Thread(usize),
    /// A thread that could run, if it is a vCPU, resumes: the flags before
    /// and after, the user task, and words with items.
    Resume(usize, [u16; 2], u64, Vec<u64>),
}

#[derive(Clone, Debug)]
struct Message {
    words: Vec<u64>,
    buffers: Vec<u64>,
}

fn any_slot() -> BoxedStrategy<u64> {
    (FIRST_SLOT..slots::END).boxed()
}

/// Mostly a slot where such an object is at the start.
fn slot_of(first: u64, end: u64) -> BoxedStrategy<u64> {
    prop_oneof![5 => first..end, 1 => any_slot()].boxed()
}

fn threads() -> BoxedStrategy<u64> {
    slot_of(slots::THREADS, slots::TASKS).boxed()
}

fn tasks() -> BoxedStrategy<u64> {
    slot_of(slots::TASKS, slots::GATES).boxed()
}

fn gates() -> BoxedStrategy<u64> {
    slot_of(slots::GATES, slots::IRQS).boxed()
}

fn irqs() -> BoxedStrategy<u64> {
    slot_of(slots::IRQS, slots::FACTORY).boxed()
}

fn partners() -> BoxedStrategy<u64> {
    prop_oneof![threads(), gates()].boxed()
}

fn rights() -> BoxedStrategy<CapabilityRights> {
    prop_oneof![Just(0xf), 0..16_u8]
        .prop_map(CapabilityRights::from_bits_retain)
        .boxed()
}

fn object_flexpage() -> BoxedStrategy<u64> {
    let order = prop_oneof![8 => Just(0), 2 => 0..5_u32, 1 => Just(7)];
    (any_slot(), order, rights())
        .prop_map(|(slot, order, rights)| Flexpage::objects(slot, order, rights).raw())
        .boxed()
}

fn memory_flexpage() -> BoxedStrategy<u64> {
    let order = prop_oneof![4 => 12..16_u32, 3 => 19..22_u32, 1 => Just(63), 1 => 0..12_u32];
    let address = prop_oneof![MEMORY..MEMORY_END, UTCB_AREA..UTCB_AREA + 0x8000];
    (address, order, 0..8_u8)
        .prop_map(|(address, order, rights)| {
            Flexpage::memory(address, order, MemoryRights::from_bits_truncate(rights)).raw()
        })
        .boxed()
}

fn flexpage() -> BoxedStrategy<u64> {
    prop_oneof![
        6 => object_flexpage(),
        3 => memory_flexpage(),
        1 => (0..100_u16, 0..17_u32).prop_map(|(port, order)| Flexpage::io_ports(port, order).raw()),
        1 => any::<u64>(),
    ]
    .boxed()
}

fn control() -> BoxedStrategy<u64> {
    let flags = (0..16_u64, 0..2_u64, 0..8_u64);
    (any_slot(), flags)
        .prop_map(|(base, (attributes, grant, compound))| {
            let flags = attributes << 4 | grant << 1 | u64::from(compound == 0);
            ItemControl::map(base << 12, ItemFlags::from_bits_retain(flags)).raw()
        })
        .boxed()
}

/// A word that may mean something to somebody.
fn word() -> BoxedStrategy<u64> {
    prop_oneof![
        4 => 0..20_u64,
        2 => any_slot().prop_map(|slot| Selector::new(slot).raw()),
        3 => flexpage(),
        2 => control(),
        1 => (-25..1_i64).prop_map(|label| label as u64),
        1 => (0..12_u64, 0..0x200_u64).prop_map(|(low, high)| low | high << 16),
        1 => (0..16_u64).prop_map(|number| UTCB_AREA + number * 0x200),
        1 => any::<u64>(),
        1 => Just(0),
    ]
    .boxed()
}

/// A message: tag, words with the items behind them, and a destination.
type Request = (u64, i64, Vec<u64>, usize);

fn items() -> BoxedStrategy<Vec<u64>> {
    let item = prop_oneof![
        5 => (control(), flexpage()).prop_map(|(control, flexpage)| [control, flexpage]),
        1 => (word(), word()).prop_map(|(one, other)| [one, other]),
    ];
    prop::collection::vec(item, 0..3)
        .prop_map(|items| items.concat())
        .boxed()
}

/// A message with items between threads.
fn message() -> BoxedStrategy<Request> {
    let words = prop::collection::vec(word(), 0..4);
    (partners(), -6..3_i64, words, items())
        .prop_map(|(slot, label, mut words, items)| {
            words.extend(&items);
            (slot, label, words, items.len() / 2)
        })
        .boxed()
}

/// An operation with an argument.
fn with_argument(
    slot: BoxedStrategy<u64>,
    label: i64,
    words: impl Strategy<Value = Vec<u64>> + 'static,
    argument: BoxedStrategy<u64>,
) -> BoxedStrategy<Request> {
    (slot, words, argument)
        .prop_map(move |(slot, mut words, argument)| {
            let item = MapItem::capability(argument, CapabilityRights::RWSD);
            words.extend(l4_abi::item::SendItem::Map(item).words());
            (slot, label, words, 1)
        })
        .boxed()
}

fn create_object() -> BoxedStrategy<Request> {
    let kinds = [
        ObjectType::IpcGate,
        ObjectType::Task,
        ObjectType::Thread,
        ObjectType::Factory,
        ObjectType::IrqSender,
        ObjectType::Semaphore,
        ObjectType::Vm,
    ];
    let area = Flexpage::memory(UTCB_AREA, 12, MemoryRights::empty()).raw();
    let argument = prop_oneof![Just(area), Just(0x1_0000), Just(0), word()];
    let factory = slot_of(slots::FACTORY, slots::SCHEDULER);
    (factory, 0..kinds.len(), argument)
        .prop_map(move |(slot, kind, argument)| {
            (
                slot,
                label::FACTORY,
                vec![kinds[kind].word(), 0, argument],
                0,
            )
        })
        .boxed()
}

fn task_operation() -> BoxedStrategy<Request> {
    let map = (control(), flexpage()).prop_map(|(control, page)| vec![0, control, page]);
    let mask = prop_oneof![Just(0x8000_0000_u64), Just(0xc000_0000), Just(0)];
    let all = Just(Flexpage::ALL_SPACES.with_rights(0xf).raw()).boxed();
    let unmap = (tasks(), mask, prop_oneof![20 => flexpage(), 1 => all])
        .prop_map(|(slot, mask, page)| (slot, label::TASK, vec![1, mask, page], 0));
    let other = (tasks(), 2..5_u64, prop::collection::vec(word(), 0..4)).prop_map(
        |(slot, operation, mut words)| {
            words.insert(0, operation);
            (slot, label::TASK, words, 0)
        },
    );
    prop_oneof![
        4 => with_argument(tasks(), label::TASK, map, tasks()),
        3 => unmap,
        1 => other,
    ]
    .boxed()
}

fn thread_operation() -> BoxedStrategy<Request> {
    let pager = any_slot().prop_map(|slot| Selector::new(slot).raw());
    let flags = prop_oneof![
        Just(0x20_0000_u64),
        Just(0x101_0000),
        Just(0x121_0000),
        Just(0x40_0000)
    ];
    let control =
        (flags, pager, 0..16_u64, any::<bool>()).prop_map(|(flags, pager, utcb, alien)| {
            let alien = if alien { 0x40_0000 } else { 0 };
            vec![flags, pager, pager, 0, alien, UTCB_AREA + utcb * 0x200]
        });
    let exchange = (
        threads(),
        0..4_u64,
        prop_oneof![Just(u64::MAX), 0..0x1_0000_u64],
    )
        .prop_map(|(slot, flags, ip)| (slot, label::THREAD, vec![1 | flags << 16, ip, ip], 0));
    let other = (threads(), 2..10_u64, prop::collection::vec(word(), 0..6)).prop_map(
        |(slot, operation, mut words)| {
            words.insert(0, operation);
            (slot, label::THREAD, words, 0)
        },
    );
    let vcpu =
        (threads(), vcpu_area()).prop_map(|(slot, area)| (slot, label::THREAD, vec![7, area], 0));
    prop_oneof![
        1 => vcpu,
        2 => with_argument(threads(), label::THREAD, control, tasks()),
        3 => exchange,
        1 => other,
        1 => with_argument(threads(), label::THREAD, Just(vec![5]), irqs()),
    ]
    .boxed()
}

/// A place for a vCPU's state; UTCBs may be there too.
fn vcpu_area() -> BoxedStrategy<u64> {
    (0..4_u64)
        .prop_map(|number| UTCB_AREA + 0x3000 + number * 0x200)
        .boxed()
}

fn other_operation() -> BoxedStrategy<Request> {
    let bind_label = || (0..5_u64).prop_map(|label| vec![0x10, label * 4]);
    let run = (0..6_u64, 0..3_u64)
        .prop_map(|(priority, quantum)| vec![1, 0xff00_0000, 1, priority, quantum * 1000]);
    let scheduler = || slot_of(slots::SCHEDULER, slots::ICU);
    let icu = || slot_of(slots::ICU, slots::VLOG);
    let pin = || {
        (0..7_u64, 0..6_u64, word()).prop_map(|(operation, pin, word)| vec![operation, pin, word])
    };
    let plain = |slot: BoxedStrategy<u64>, label, words: BoxedStrategy<Vec<u64>>| {
        (slot, words).prop_map(move |(slot, words)| (slot, label, words, 0))
    };
    let any_words = || prop::collection::vec(word(), 0..4).boxed();
    prop_oneof![
        3 => with_argument(gates(), label::KERNEL_OBJECT, bind_label(), threads()),
        3 => with_argument(irqs(), label::KERNEL_OBJECT, bind_label(), threads()),
        3 => with_argument(scheduler(), label::SCHEDULER, run, threads()),
        2 => with_argument(icu(), label::IRQ, (0..2_u64, 0..6_u64).prop_map(|(operation, pin)| vec![operation, pin]), irqs()),
        1 => plain(icu().boxed(), label::IRQ, pin().boxed()),
        2 => plain(gates().boxed(), label::KERNEL_OBJECT, any_words()),
        2 => plain(irqs().boxed(), label::IRQ, (0..6_u64).prop_map(|operation| vec![operation]).boxed()),
        1 => plain(irqs().boxed(), label::IRQ_SENDER, Just(vec![1]).boxed()),
        2 => plain(irqs().boxed(), label::SEMAPHORE, Just(vec![0]).boxed()),
        1 => plain(slot_of(slots::VLOG, slots::EMPTY).boxed(), label::LOG, any_words()),
    ]
    .boxed()
}

fn anything() -> BoxedStrategy<Request> {
    let words = prop::collection::vec(word(), 0..8);
    (any_slot(), -25..3_i64, words, 0..3_usize)
        .prop_map(|(slot, label, words, items)| (slot, label, words, items))
        .boxed()
}

fn request() -> BoxedStrategy<Request> {
    prop_oneof![
        6 => message(),
        3 => create_object(),
        5 => task_operation(),
        4 => thread_operation(),
        5 => other_operation(),
        1 => anything(),
    ]
    .boxed()
}

fn timeout() -> BoxedStrategy<Timeout> {
    prop_oneof![
        2 => Just(Timeout::NEVER),
        3 => Just(Timeout::ZERO),
        3 => (1..3000_u64).prop_map(Timeout::from_micros),
        1 => (0..4_usize).prop_map(Timeout::absolute),
    ]
    .boxed()
}

fn syscall() -> BoxedStrategy<(Message, Syscall)> {
    // What is no operation of the kernel has phases of all kinds.
    let operation = (0..16_u64).prop_map(Operation::from_bits_retain);
    let phases = prop_oneof![
        6 => Just(Operation::CALL),
        1 => Just(Operation::SEND),
        1 => Just(Operation::SEND_AND_WAIT),
        1 => operation,
    ];
    let selector = prop_oneof![
        12 => Just(None),
        1 => Just(Some(Selector::INVALID)),
        1 => (0..4_u64).prop_map(|slot| Some(Selector::reply(slot * 300))),
    ];
    let waits = prop_oneof![
        Just(Operation::WAIT),
        Just(Operation::RECEIVE),
        Just(Operation::SEND_REPLY),
        Just(Operation::REPLY_AND_WAIT),
    ];
    let wait_selector = prop_oneof![
        4 => Just(Selector::INVALID),
        2 => (0..4_u64).prop_map(|slot| Selector::reply(slot * 300)),
        2 => partners().prop_map(Selector::new),
        1 => irqs().prop_map(Selector::new),
    ];
    let destination = prop_oneof![
        2 => (selector, phases).prop_map(|(selector, phases)| (selector, phases)),
        1 => (wait_selector, waits).prop_map(|(selector, phases)| (Some(selector), phases)),
    ];
    let buffer = prop_oneof![
        6 => (any_slot(), any::<bool>()).prop_map(|(slot, local)| vec![ReceiveBuffer::slot_word(slot, local)]),
        1 => (any_slot(), tasks()).prop_map(|(slot, task)| vec![ReceiveBuffer::slot_word(slot, false) | 1, Selector::new(task).raw()]),
        3 => flexpage().prop_map(|window| vec![ReceiveBuffer::WINDOW_WORD, window]),
        1 => word().prop_map(|word| vec![word]),
    ];
    let buffers = prop::collection::vec(buffer, 1..3).prop_map(|buffers| buffers.concat());
    let flags = (0..16_u64).prop_map(|bits| TagFlags::from_bits_retain(bits << 12));
    (
        request(),
        destination,
        buffers,
        (timeout(), timeout()),
        flags,
    )
        .prop_map(
            |(request, (selector, operation), buffers, (send, receive), flags)| {
                let (slot, label, words, items) = request;
                let count = words.len().saturating_sub(items * 2);
                let call = Syscall {
                    selector: selector.unwrap_or(Selector::new(slot)),
                    operation,
                    tag: MessageTag::new(label, count, items, flags),
                    label: 0x44,
                    timeouts: TimeoutPair::new(send, receive),
                };
                (Message { words, buffers }, call)
            },
        )
        .boxed()
}

fn resume() -> BoxedStrategy<Step> {
    let flags = prop_oneof![
        3 => Just([0_u16, 0xa0]),
        2 => Just([0, 0xa1]),
        1 => Just([0, 1]),
        1 => any::<[u16; 2]>(),
    ];
    let task = prop_oneof![
        4 => tasks().prop_map(|slot| Selector::new(slot).raw()),
        1 => tasks().prop_map(|slot| Selector::new(slot).raw() | 1),
        1 => word(),
    ];
    let items = prop_oneof![3 => Just(vec![]), 1 => items()];
    (0..8_usize, flags, task, items)
        .prop_map(|(thread, flags, task, items)| Step::Resume(thread, flags, task, items))
        .boxed()
}

fn step() -> BoxedStrategy<Step> {
    let fault = prop_oneof![
        (MEMORY..MEMORY_END, 0..8_u64).prop_map(|(address, bits)| Fault::Page {
            address,
            bits,
            beyond_user: false,
        }),
        Just(Fault::FpuUnavailable),
        any::<bool>().prop_map(|port_access_possible| Fault::Exception {
            port_access_possible
        }),
    ];
    let thread = prop_oneof![Just(0_usize), 0..8_usize];
    prop_oneof![
        20 => (thread, syscall()).prop_map(|(thread, (message, call))| Step::Syscall(thread, message, call)),
        1 => fault.prop_map(Step::Fault),
        2 => (0..6_u32).prop_map(Step::Pin),
        2 => prop_oneof![0..5000_u64, Just(20_000)].prop_map(Step::Time),
        4 => (0..3_usize, 0..30_u64, any_slot()).prop_map(|(task, object, slot)| Step::Give(task, object, slot)),
        1 => (0..3_usize).prop_map(Step::Thread),
        2 => Just(Step::Pending),
        8 => resume(),
        1 => (0..8_usize, request()).prop_map(|(thread, request)| Step::Write(thread, request.2)),
    ]
    .boxed()
}

/// Three tasks with the same slots, and five threads in them.
fn set_up(world: &mut World) -> [TestTask; 3] {
    let tasks = [(); 3].map(|()| world.task());
    let threads = [0, 1, 2, 0, 1].map(|task: usize| world.thread(&tasks[task], 3));
    let gates = [
        world.gate(0x40, &threads[0]),
        world.gate(0x80, &threads[1]),
        world.unbound_gate(),
    ];
    let irqs = [world.irq(), world.irq()];
    let semaphore = world.semaphore();
    let factory = world.factory(0x8_0000);
    for (number, task) in tasks.iter().enumerate() {
        let full = |object| {
            world.give_full(task, object);
        };
        threads.iter().for_each(|thread| full(thread.header()));
        tasks.iter().for_each(|task| full(task.header()));
        gates.iter().for_each(|gate| full(gate.header()));
        irqs.iter().for_each(|irq| full(irq.header()));
        full(semaphore.header());
        let slot = world.give_full(task, factory.header());
        assert_eq!(slot, slots::FACTORY);
        for initial in [slot::SCHEDULER, slot::ICU, slot::LOG] {
            world.give_initial(task, initial);
        }
        world.give_memory(task, MEMORY + number as u64 * 0x8_0000);
        for thread in &threads {
            let state = thread.state(world.cpu);
            state.pager.set(slots::GATES);
            state.exception_handler.set(slots::GATES + 1);
        }
    }
    tasks
}

/// The threads that could make a system call, the running one first.
fn candidates(world: &World) -> Vec<Ref<Thread>> {
    let mut candidates = world.threads();
    candidates.retain(|thread| thread.is_runnable(world.cpu) && !thread.has_deferred(world.cpu));
    candidates.sort_by_key(|thread| !world.runs(thread));
    candidates
}

fn perform(world: &mut World, tasks: &[TestTask; 3], step: &Step) {
    if let Step::Write(number, words) = step {
        let threads = world.threads();
        if let Some(thread) = threads.get(number % threads.len().max(1)) {
            world.write(thread, words);
        }
        return;
    }
    if world.cpu.unfinished.get() {
        // An operation has paused for the device.
        world.enter(Source::Pin(0));
        world.cpu.kernel.platform.chip.set_pending(false);
        world.enter(Source::Spurious);
    }
    if candidates(world).is_empty() {
        // As if the root task cancelled them.
        for thread in world.threads() {
            thread.cancel(world.cpu);
        }
        world.enter(Source::Spurious);
    }
    let threads = candidates(world);
    match step {
        Step::Syscall(number, message, call) => {
            let chosen = threads.get(number % threads.len().max(1));
            if let Some(thread) = chosen
                && !shuts_down(message, call)
            {
                world.write(thread, &message.words);
                world.write_buffers(thread, &message.buffers);
                world.syscall(thread, *call);
            }
        }
        Step::Fault(fault) => {
            if let Some(thread) = threads.first() {
                world.fault(thread, *fault);
            }
        }
        Step::Write(..) => {}
        Step::Resume(number, flags, user_task, words) => {
            if let Some(thread) = threads.get(number % threads.len().max(1)) {
                resume_vcpu(world, thread, *flags, *user_task, words);
            }
        }
        Step::Pending => world.cpu.kernel.platform.chip.set_pending(true),
        Step::Pin(pin) => world.enter(Source::Pin(*pin)),
        Step::Time(micros) => world.advance(*micros),
        Step::Give(task, object, slot) => world.give_back(&tasks[*task], *object, *slot),
        Step::Thread(task) => {
            let task = &tasks[*task];
            if !task.task.memory.is_closed() && world.threads().len() < 12 {
                let thread = world.thread(task, 3);
                thread.state(world.cpu).pager.set(slots::GATES);
            }
        }
    }
}

/// `thread` becomes a vCPU if it is none, and resumes.
fn resume_vcpu(world: &mut World, thread: &Thread, flags: [u16; 2], task: u64, items: &[u64]) {
    let call = Syscall::new(Selector::INVALID, Operation::CALL);
    if thread.vcpu_area(world.cpu).is_none() {
        let own = UTCB_AREA + 0x3000 + thread.id % 4 * 0x200;
        world.write(thread, &[7, own]);
        world.syscall(thread, call.tag(label::THREAD, 2, 0));
    }
    let Some(area) = thread.vcpu_area(world.cpu) else {
        return;
    };
    let [state, saved] = flags.map(StateFlags::from_bits_retain);
    area.set_state(state);
    area.set_saved_state(saved);
    area.set_user_task(UserTask::from_raw(task));
    if thread.is_runnable(world.cpu) && !thread.has_deferred(world.cpu) {
        world.write(thread, &[4]);
        for (index, word) in items.iter().enumerate() {
            thread.utcb(world.cpu).set_word(1 + index, *word);
        }
        world.syscall(thread, call.tag(label::THREAD, 1, items.len() / 2));
    }
}

/// The one thing that a hosted machine cannot do.
fn shuts_down(message: &Message, call: &Syscall) -> bool {
    let operation = message.words.first().copied();
    call.tag.label() == label::NONE
        && operation == Some(protocol::platform_control::Opcode::Shutdown as u64)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, max_shrink_iters: 1500, ..ProptestConfig::default() })]
    #[test]
    fn nothing_that_threads_do_harms_the_kernel(steps in prop::collection::vec(step(), 1..80)) {
        run(|world| {
            let tasks = set_up(world);
            for step in &steps {
                perform(world, &tasks, step);
            }
        });
    }
}

impl World {
    /// Fills an empty slot with what the root task has at an offset.
    fn give_back(&mut self, task: &TestTask, object: u64, slot: u64) {
        let entry = self
            .root
            .task
            .capabilities
            .lookup(self.cpu, FIRST_SLOT + object);
        let slot = task.task.capabilities.slot(slot);
        if let (Some(entry), Some(slot)) = (entry, slot)
            && slot.get(self.cpu).is_none()
            && !task.task.memory.is_closed()
        {
            slot.fill(entry.object, CapabilityRights::FULL);
        }
        self.check();
    }
}
