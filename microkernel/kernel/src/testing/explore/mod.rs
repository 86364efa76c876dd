//! Every order in which CPUs can get on: short programs of three threads are
//! run again and again, each time with another choice of which CPU moves next,
//! until all choices have been made.
//!
//! A step is one kernel entry: a system call of the thread that runs on a CPU,
//! or a CPU noticing that another one has interrupted it. One step of a run may
//! have a step of another CPU in its middle ([`Setting::nests`]). After each the
//! invariants are checked, and that no upcall is lost ([`check_vcpus`]); when
//! nothing moves any more, that nobody waits for what is there ([`check_rest`]);
//! in the end, that all memory is back.

mod anything;
mod programs;
mod stage;

use stage::{Op, Stage};

use l4_abi::vcpu::StateFlags;
use machine::event::Source as Event;

use super::{Meanwhile, Syscall, World, run_on};
use crate::object::thread::{Deferred, Life, Source, Waiting};

/// Where the threads begin, and which orders are tried.
#[derive(Clone, Copy, Debug)]
struct Setting {
    /// The CPUs of the three threads.
    homes: [usize; 3],
    /// How often another CPU may move although the last one could go on. Most
    /// of what can go wrong does with a few such switches.
    switches: usize,
    /// Whether a step of another CPU may come in the middle of one, once.
    nests: bool,
}

/// Two threads share a CPU; every order.
const TWO_CPUS: Setting = Setting {
    homes: [0, 0, 1],
    switches: usize::MAX,
    nests: false,
};

/// Each thread has a CPU of its own.
const THREE_CPUS: Setting = Setting {
    homes: [0, 1, 2],
    switches: 2,
    nests: false,
};

/// The same, and kernel entries overlap.
const OVERLAPPING: Setting = Setting {
    homes: [0, 1, 2],
    switches: 1,
    nests: true,
};

impl Setting {
    fn cpus(&self) -> usize {
        self.homes.into_iter().max().map_or(0, |last| last + 1)
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

impl Step {
    fn cpu(self) -> usize {
        match self {
            Step::Run(id) | Step::Notice(id) => id,
        }
    }

    /// The same in the middle of another one.
    fn meanwhile(self) -> Meanwhile {
        match self {
            Step::Run(_) => Meanwhile::Syscall,
            Step::Notice(_) => Meanwhile::Interrupt(Event::Ipi),
        }
    }
}

/// What can happen next, and whether the CPU that moved last is among those
/// that can move.
fn possible(world: &World, stage: &Stage, last: usize) -> (Vec<Step>, bool) {
    let mut steps = Vec::new();
    for id in 0..world.cpus() {
        if world.is_interrupted(id) {
            steps.push(Step::Notice(id));
        }
        if stage.running(world, id).is_some() {
            steps.push(Step::Run(id));
        }
    }
    let can_go_on = steps.iter().any(|step| step.cpu() == last);
    (steps, can_go_on)
}

/// The choices of a run: each, and the last one that there is.
#[derive(Debug, Default)]
struct Path {
    choices: Vec<(usize, usize)>,
    depth: usize,
}

impl Path {
    /// One of `0..=last`: what is noted for here, or the first.
    fn choose(&mut self, last: usize) -> usize {
        if self.depth == self.choices.len() {
            self.choices.push((0, last));
        }
        let (choice, options) = self.choices[self.depth];
        assert_eq!(options, last, "a run with the same choices is another one");
        self.depth += 1;
        assert!(self.depth < 300, "a program does not end");
        choice
    }

    /// The choice made last was one too many: it is as the first.
    fn was_too_much(&mut self) {
        let (choice, last) = &mut self.choices[self.depth - 1];
        *last = *choice;
    }

    /// Makes the next choice in the last place where there is one. False if there
    /// is none.
    fn advance(&mut self) -> bool {
        self.depth = 0;
        let choices = &mut self.choices;
        while choices.pop_if(|(choice, last)| choice == last).is_some() {}
        match choices.last_mut() {
            Some((choice, _)) => *choice += 1,
            None => return false,
        }
        true
    }
}

/// More moments than a kernel entry has.
const ANY_MOMENT: usize = 1000;

/// A run with the choices in `path`, and the first one behind it.
fn run_once(world: &mut World, setting: Setting, programs: &[&[Op]; 3], path: &mut Path) {
    let mut stage = Stage::new(world, setting.homes);
    world.deliver_all();
    let (mut last_cpu, mut switches) = (usize::MAX, setting.switches);
    let mut nests = setting.nests;
    loop {
        let (steps, can_go_on) = possible(world, &stage, last_cpu);
        let is_open = |step: &&Step| !can_go_on || switches > 0 || step.cpu() == last_cpu;
        let open: Vec<&Step> = steps.iter().filter(is_open).collect();
        let Some(last) = open.len().checked_sub(1) else {
            break;
        };
        let step = *open[path.choose(last)];
        switches -= usize::from(can_go_on && step.cpu() != last_cpu);
        last_cpu = step.cpu();
        let others = steps.iter().filter(|other| other.cpu() != step.cpu());
        let others: Vec<&Step> = others.filter(|_| nests).collect();
        let other = match path.choose(others.len()) {
            0 => None,
            other => Some(*others[other - 1]),
        };
        if let Some(other) = other {
            nests = false;
            let moments = path.choose(ANY_MOMENT);
            if let Step::Run(_) = other {
                world.prepare(|world| perform(world, &mut stage, programs, other));
            }
            world
                .on(step.cpu())
                .meanwhile(moments, other.cpu(), other.meanwhile());
        }
        perform(world, &mut stage, programs, step);
        check_vcpus(world, &stage);
        if other.is_some() && !world.has_happened {
            path.was_too_much();
            return;
        }
    }
    check_rest(world, &stage);
}

fn perform(world: &mut World, stage: &mut Stage, programs: &[&[Op]; 3], step: Step) {
    match step {
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
}

/// No upcall is lost: a vCPU sees that a message waits for it, and one that takes
/// messages has it.
fn check_vcpus(world: &World, stage: &Stage) {
    for thread in &stage.threads {
        let cpu = world.cpu_of(thread);
        let Some(area) = thread.vcpu_area(cpu) else {
            continue;
        };
        // Another CPU has a message for it that its own one does not know of yet.
        if cpu.unfinished.get() || thread.errands.is_posted() {
            continue;
        }
        let waits = !thread.mailbox.is_empty();
        assert_eq!(area.is_irq_pending(), waits, "what the vCPU is told");
        let state = thread.state(cpu);
        let takes = state.waiting.get() == Waiting::Nothing
            && state.deferred.get() == Deferred::Nothing
            && area.state().contains(StateFlags::IRQ);
        assert!(!(waits && takes), "an upcall is lost");
    }
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
                    Source::Thread(id) => !matches!(mailbox.find_sender(cpu, id), Ok(None)),
                    Source::Irq(id) => !matches!(mailbox.find_irq(cpu, id), Ok(None)),
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

/// Shown if a program fails: which, and which choices were made.
struct Story<'a>(&'a [&'a [Op]; 3], Path);

impl Drop for Story<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::eprintln!("{:?}: choices {:?}", self.0, self.1.choices);
        }
    }
}

/// Runs the programs in every order of the setting; how many there are.
fn explore(setting: Setting, programs: &[&[Op]; 3]) -> usize {
    let mut story = Story(programs, Path::default());
    let mut runs = 0;
    loop {
        run_on(setting.cpus(), |world| {
            run_once(world, setting, programs, &mut story.1);
        });
        runs += 1;
        if !story.1.advance() {
            return runs;
        }
    }
}
