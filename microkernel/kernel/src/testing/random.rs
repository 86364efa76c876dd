//! Random system calls, faults and interrupts of a few threads that have
//! capabilities to one another and to objects of every kind (crate `fuzz`):
//! whatever they do, the kernel does not panic, the invariants hold, and at
//! the end all memory is back.

use fuzz::layout::{
    self, GATE_LABELS, MAX_PRIORITY, MEMORY, PART_ORDER, QUOTA, TASKS, THREADS, VCPU_PLACES, VCPUS,
    slots,
};
use fuzz::{Call, Choices, Fault, Resume, Step};
use l4_abi::capability::{Selector, slot};
use l4_abi::operation::Operation;
use l4_abi::protocol::{label, thread::Opcode};
use l4_abi::rights::CapabilityRights;
use l4_abi::utcb::{BUFFER_DESCRIPTOR_OFFSET, BUFFERS_OFFSET};
use l4_abi::vcpu::BASIC_SIZE;
use machine::event::{Fault as Trap, Source};

use super::{FIRST_SLOT, Syscall, TestTask, UTCB_AREA, UTCB_AREA_ORDER, World, run};
use crate::object::Ref;
use crate::object::thread::Thread;

/// Priority of the threads at the start.
const PRIORITY: u8 = 3;
/// Most threads at a time.
const MAX_THREADS: usize = 12;

const _: () = {
    assert!(slots::FIRST == FIRST_SLOT);
    assert!(layout::UTCBS == UTCB_AREA && layout::UTCBS_ORDER == UTCB_AREA_ORDER);
    assert!(MAX_PRIORITY > PRIORITY as u64);
};

/// Does what `choices` say in a kernel of its own.
fn attack(mut choices: Choices<'_>, steps: usize) {
    run(|world| {
        let tasks = set_up(world);
        for _ in 0..steps {
            if choices.is_over() {
                break;
            }
            perform(world, &tasks, Step::choose(&mut choices));
        }
    });
}

/// The tasks with the same slots, and the threads in them.
fn set_up(world: &mut World) -> Vec<TestTask> {
    let tasks: Vec<TestTask> = (0..TASKS).map(|_| world.task()).collect();
    let task_of = |thread: u64| &tasks[(thread % TASKS) as usize];
    let threads: Vec<Ref<Thread>> = (0..THREADS)
        .map(|thread| world.thread(task_of(thread), PRIORITY))
        .collect();
    let gates = [
        world.gate(GATE_LABELS[0], &threads[0]),
        world.gate(GATE_LABELS[1], &threads[1]),
        world.unbound_gate(),
    ];
    let irqs = [world.irq(), world.irq()];
    let semaphore = world.semaphore();
    let factory = world.factory(QUOTA);
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
        world.give_memory(task, MEMORY + ((number as u64) << PART_ORDER));
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

fn perform(world: &mut World, tasks: &[TestTask], step: Step) {
    if let Step::Write(number, words) = step {
        let threads = world.threads();
        if let Some(thread) = threads.get(number as usize % threads.len().max(1)) {
            world.write(thread, &words);
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
        Step::Call(number, call) => {
            let chosen = threads.get(number as usize % threads.len().max(1));
            if let Some(thread) = chosen {
                world.call(thread, &call);
            }
        }
        Step::Resume(number, resume) => {
            if let Some(thread) = threads.get(number as usize % threads.len().max(1)) {
                world.resume_vcpu(thread, &resume);
            }
        }
        Step::Fault(fault) => {
            if let Some(thread) = threads.first() {
                world.fault(thread, trap(fault));
            }
        }
        Step::Write(..) => {}
        Step::Pending => world.cpu.kernel.platform.chip.set_pending(true),
        Step::Pin(pin) => world.enter(Source::Pin(pin as u32)),
        Step::Time(micros) => world.advance(micros),
        Step::Give { task, object, slot } => {
            world.give_back(&tasks[task as usize], object, slot);
        }
        Step::Thread(task) => {
            let task = &tasks[task as usize];
            if !task.task.memory.is_closed() && world.threads().len() < MAX_THREADS {
                let thread = world.thread(task, PRIORITY);
                thread.state(world.cpu).pager.set(slots::GATES);
            }
        }
    }
}

fn trap(fault: Fault) -> Trap {
    match fault {
        Fault::Page(address, writes) => Trap::Page {
            address,
            bits: u64::from(writes) << 1,
            beyond_user: false,
        },
        Fault::Fpu => Trap::FpuUnavailable,
        Fault::Instruction => Trap::Exception {
            port_access_possible: false,
        },
    }
}

impl World {
    /// `thread` makes a system call of the generator's.
    fn call(&mut self, thread: &Thread, call: &Call) {
        let utcb = thread.utcb(self.cpu);
        utcb.set_word(BUFFER_DESCRIPTOR_OFFSET / 8, call.descriptor.raw());
        for (index, word) in call.buffers().iter().enumerate() {
            utcb.set_word(BUFFERS_OFFSET / 8 + index, *word);
        }
        self.write(thread, call.words());
        self.syscall(
            thread,
            Syscall {
                selector: call.selector,
                operation: call.operation,
                tag: call.tag,
                label: call.label,
                timeouts: call.timeouts,
            },
        );
    }

    /// `thread` becomes a vCPU if it is none, and resumes.
    fn resume_vcpu(&mut self, thread: &Thread, resume: &Resume) {
        let call = Syscall::new(Selector::INVALID, Operation::CALL);
        if thread.vcpu_area(self.cpu).is_none() {
            let state = VCPUS + thread.id % VCPU_PLACES * BASIC_SIZE as u64;
            self.write(thread, &[Opcode::VcpuControl as u64, state]);
            self.syscall(thread, call.tag(label::THREAD, 2, 0));
        }
        let Some(area) = thread.vcpu_area(self.cpu) else {
            return;
        };
        area.set_state(resume.states[0]);
        area.set_saved_state(resume.states[1]);
        area.set_user_task(resume.user_task);
        if thread.is_runnable(self.cpu) && !thread.has_deferred(self.cpu) {
            let items = resume.items();
            self.write(thread, &[Opcode::VcpuResume as u64]);
            for (index, word) in items.iter().enumerate() {
                thread.utcb(self.cpu).set_word(1 + index, *word);
            }
            self.syscall(thread, call.tag(label::THREAD, 1, items.len() / 2));
        }
    }

    /// Fills an empty slot with what the root task has in `object`.
    fn give_back(&mut self, task: &TestTask, object: u64, slot: u64) {
        let entry = self.root.task.capabilities.lookup(self.cpu, object);
        let slot = task.task.capabilities.get(slot);
        if let (Some(entry), Some(slot)) = (entry, slot)
            && slot.get(self.cpu).is_none()
            && !task.task.memory.is_closed()
        {
            slot.fill(entry.object, CapabilityRights::FULL);
        }
        // What the last check held is freed by an entry.
        self.enter(Source::Spurious);
    }
}

/// How many seeds are tried, and how many steps each gives.
const SEEDS: u64 = 40;
const STEPS: usize = 200;

#[test]
fn nothing_that_threads_do_harms_the_kernel() {
    for seed in 0..SEEDS {
        // Shown if the test fails.
        println!("seed {seed}");
        attack(Choices::seeded(seed, 0), STEPS);
    }
}
