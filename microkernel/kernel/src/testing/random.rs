//! Random system calls, faults and interrupts of a few threads that have
//! capabilities to one another and to objects of every kind (crate `fuzz`):
//! whatever they do, the kernel does not panic, the invariants hold, and at
//! the end all memory is back.

use fuzz::layout::{
    self, GATE_LABELS, GUEST_PLACES, GUESTS, MAX_PRIORITY, MEMORY, PART_ORDER, QUOTA, TASKS,
    THREADS, VCPU_PLACES, VCPUS, slots,
};
use fuzz::{Call, Choices, Fault, Resume, Step};
use l4_abi::capability::{Selector, slot};
use l4_abi::flexpage::PAGE_SIZE;
use l4_abi::operation::Operation;
use l4_abi::protocol::label;
use l4_abi::protocol::thread::{Opcode, VCPU_EXTENDED};
use l4_abi::rights::CapabilityRights;
use l4_abi::utcb::{BUFFER_DESCRIPTOR_OFFSET, BUFFERS_OFFSET};
use l4_abi::vcpu::BASIC_SIZE;
use machine::event::{Fault as Trap, Source};
use machine::vm::set_end;

use super::share::share;
use super::{FIRST_SLOT, Meanwhile, Syscall, TestTask, UTCB_AREA, UTCB_AREA_ORDER, World, run_on};
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

/// Does what `choices` say in a kernel of its own, on one to four CPUs.
fn attack(mut choices: Choices<'_>, steps: usize) {
    let cpus = choices.of(&[1, 2, 4]) as usize;
    run_on(cpus, |world| {
        let tasks = set_up(world);
        for _ in 0..steps {
            if choices.is_over() {
                break;
            }
            let step = Step::choose(&mut choices);
            let overlapping = choices.one_in(4).then(|| Overlapping::choose(&mut choices));
            perform(world, &tasks, step, overlapping.as_ref());
        }
    });
}

/// What another CPU does in the middle of a step, when so many moments of that have passed: its
/// current thread makes a system call, or it notices that it has been interrupted.
struct Overlapping {
    cpu: usize,
    moments: usize,
    call: Call,
}

impl Overlapping {
    fn choose(choices: &mut Choices<'_>) -> Self {
        Self {
            cpu: choices.below(4) as usize,
            moments: choices.below(40) as usize,
            call: Call::choose(choices),
        }
    }

    /// The next entry is on CPU `own`.
    fn prepare(&self, world: &mut World, own: usize) {
        let id = self.cpu % world.cpus();
        if id == own {
            return;
        }
        let is_current = |thread: &Ref<Thread>| thread.home() as usize == id && world.runs(thread);
        let current = candidates(world).into_iter().find(is_current);
        let what = match current.filter(|_| !world.is_interrupted(id)) {
            Some(thread) => {
                world.prepare(|world| world.call(&thread, &self.call));
                Meanwhile::Syscall
            }
            None => Meanwhile::Interrupt(Source::Ipi),
        };
        world.on(own).meanwhile(self.moments, id, what);
    }
}

/// The tasks with the same slots, and the threads in them.
fn set_up(world: &mut World) -> Vec<TestTask> {
    let tasks: Vec<TestTask> = (0..TASKS).map(|_| world.task()).collect();
    let task_of = |thread: u64| &tasks[(thread % TASKS) as usize];
    let threads: Vec<Ref<Thread>> = (0..THREADS)
        .map(|thread| {
            let home = thread as usize % world.cpus();
            world.on(home).thread(task_of(thread), PRIORITY)
        })
        .collect();
    world.on(0);
    let gates = [
        world.gate(GATE_LABELS[0], &threads[0]),
        world.gate(GATE_LABELS[1], &threads[1]),
        world.unbound_gate(),
    ];
    let irqs = [world.irq(), world.irq()];
    let semaphore = world.semaphore();
    let factory = world.factory(QUOTA);
    let vm = world.virtual_machine();
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
        assert_eq!(world.give_full(task, vm.header()), slots::VM);
        world.give_memory(task, MEMORY + ((number as u64) << PART_ORDER));
        for thread in &threads {
            let state = thread.state(world.cpu_of(thread));
            state.pager.set(slots::GATES);
            state.exception_handler.set(slots::GATES + 1);
        }
    }
    tasks
}

/// The threads that could make a system call, the running ones first.
fn candidates(world: &World) -> Vec<Ref<Thread>> {
    let mut candidates = world.threads();
    candidates.retain(|thread| world.could_run(thread));
    candidates.sort_by_key(|thread| !world.runs(thread));
    candidates
}

/// Operations that have paused for the device go on; who waits until the other
/// CPUs have passed looks whether they have.
fn finish(world: &mut World) {
    for id in 0..world.cpus() {
        if world.on(id).cpu.unfinished.get() {
            world.enter(Source::Pin(0));
            world.cpu.kernel.platform.chip.set_pending(false);
            world.enter(Source::Spurious);
        }
    }
}

fn perform(world: &mut World, tasks: &[TestTask], step: Step, overlapping: Option<&Overlapping>) {
    let prepare = |world: &mut World, own: usize| {
        if let Some(overlapping) = overlapping {
            overlapping.prepare(world, own);
        }
    };
    if let Step::Write(number, words) = step {
        let threads = world.threads();
        if let Some(thread) = threads.get(number as usize % threads.len().max(1)) {
            world.write(thread, &words);
        }
        return;
    }
    finish(world);
    if candidates(world).is_empty() {
        world.deliver_all();
        finish(world);
    }
    if candidates(world).is_empty() {
        // As if the root task cancelled them.
        for thread in world.threads() {
            world.on(thread.home() as usize);
            thread.cancel(world.cpu);
            world.enter(Source::Spurious);
        }
    }
    let threads = candidates(world);
    match step {
        Step::Call(number, call) => {
            let chosen = threads.get(number as usize % threads.len().max(1));
            if let Some(thread) = chosen {
                prepare(world, thread.home() as usize);
                world.call(thread, &call);
            }
        }
        Step::Resume(number, resume) => {
            if let Some(thread) = threads.get(number as usize % threads.len().max(1)) {
                world.resume_vcpu(thread, number % VCPU_PLACES, &resume);
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
        Step::Notice(id) => {
            let id = id as usize % world.cpus();
            if world.is_interrupted(id) {
                prepare(world, id);
                world.deliver(id);
            }
        }
        Step::Time(micros) => world.advance(micros),
        Step::Give { task, object, slot } => {
            world.give_back(&tasks[task as usize], object, slot);
        }
        Step::Thread(task) => {
            let task = &tasks[task as usize];
            if !task.task.memory.is_closed() && world.threads().len() < MAX_THREADS {
                let thread = world.thread(task, PRIORITY);
                let state = thread.state(world.cpu_of(&thread));
                state.pager.set(slots::GATES);
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
        Fault::Instruction => Trap::Exception,
    }
}

impl World {
    /// `thread` is in user mode, or would be if it were its turn.
    fn could_run(&self, thread: &Thread) -> bool {
        let cpu = self.cpu_of(thread);
        let priority = thread.state(cpu).priority.get();
        let is_there = cpu.current.is(thread) || cpu.ready.contains(thread, priority);
        is_there && !cpu.unfinished.get() && thread.is_runnable(cpu) && !thread.has_deferred(cpu)
    }

    /// `thread` makes a system call of the generator's.
    fn call(&mut self, thread: &Thread, call: &Call) {
        let utcb = thread.utcb(self.cpu_of(thread));
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

    /// `thread` becomes a vCPU if it is none, with its state at `place`, and
    /// resumes.
    fn resume_vcpu(&mut self, thread: &Thread, place: u64, resume: &Resume) {
        let call = Syscall::new(Selector::INVALID, Operation::CALL);
        if thread.vcpu_area(self.cpu_of(thread)).is_none() || resume.guest.is_some() {
            let (state, extended) = match resume.guest {
                None => (VCPUS + place * BASIC_SIZE as u64, 0),
                Some(_) => (GUESTS + place % GUEST_PLACES * PAGE_SIZE, VCPU_EXTENDED),
            };
            self.write(thread, &[Opcode::VcpuControl as u64 | extended, state]);
            self.syscall(thread, call.tag(label::THREAD, 2, 0));
        }
        let Some(area) = thread.vcpu_area(self.cpu_of(thread)) else {
            return;
        };
        area.set_state(resume.states[0]);
        area.set_saved_state(resume.states[1]);
        area.set_user_task(resume.user_task);
        if let Some([(_, end), ..]) = resume.guest {
            let guest = thread.guest_area(self.cpu_of(thread));
            guest.inspect(|guest| set_end(guest, end % 4));
        }
        if self.could_run(thread) {
            let items = resume.items();
            self.write(thread, &[Opcode::VcpuResume as u64]);
            let utcb = thread.utcb(self.cpu_of(thread));
            for (index, word) in items.iter().enumerate() {
                utcb.set_word(1 + index, *word);
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

/// How many seeds are tried, how many with `--long`, and how many steps each gives.
const SEEDS: u64 = 40;
const MANY_SEEDS: usize = 500_000;
const STEPS: usize = 200;

/// Tells the seed whose steps did harm.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("seed {}", self.0);
        }
    }
}

fn attack_from(seed: u64) {
    let _told = Seed(seed);
    attack(Choices::seeded(seed, 0), STEPS);
}

#[test]
fn nothing_that_threads_do_harms_the_kernel() {
    (0..SEEDS).for_each(attack_from);
}

#[test]
#[ignore = "takes long: for --long"]
fn nothing_in_a_hundred_million_steps_harms_the_kernel() {
    share("seeds", MANY_SEEDS, |number| {
        attack_from(SEEDS + number as u64);
        STEPS
    });
}

// The fuzzer that watches which code its inputs reach makes its own choices.
#[cfg(guided)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| attack(Choices::from_bytes(bytes), usize::MAX));
