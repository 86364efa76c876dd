//! What a round is made of, and that nothing of it is left.

use core::time::Duration;

use fuzz::layout::{
    GATE_LABELS, GATES, IRQS, MEMORY, PART_ORDER, QUOTA, TASKS, THREADS, UTCBS, UTCBS_ORDER, slots,
};
use l4_test::abi::capability::Selector;
use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::item::{ItemControl, ItemFlags};
use l4_test::abi::protocol::scheduler::CpuSet;
use l4_test::abi::protocol::thread::ExRegsFlags;
use l4_test::abi::rights::{CapabilityRights, MemoryRights};
use l4_test::memory::{self, PAGE, PAGE_ORDER};
use l4_test::sys::object::{Control, Factory, IpcGate, Irq, Semaphore, Task, Thread};
use l4_test::sys::{Cap, Object, OwnedCap, Result, ipc};
use l4_test::{entry, own};

use crate::attacker::{self, SHARED};

/// Slot in the attackers' tasks through which the faults of the first thread come to the runner;
/// those of the others follow. No choice names them.
const FAULTS: u64 = 0x80;
/// Label of the gate there. Those of the others follow, in steps of 4.
const FAULTS_LABEL: u64 = 0x4000;

/// Slot of the task without threads.
const SPARE: u64 = slots::EMPTY;

/// Kernel memory for a round, in bytes.
const ROUND_QUOTA: u64 = 3 << 20;
/// Priority of the attackers at the start.
const PRIORITY: u8 = 3;
/// Most of the program that attackers get back at once: less often means fewer faults of no interest.
const MAX_PROGRAM_ORDER: u32 = 15;
/// How often to look whether the memory of a round is back; CPUs may take a moment to let go, on a busy host a long one.
const LOOKS: u32 = 60_000;

/// What stays from round to round.
pub(crate) struct Arena {
    /// Has room for one round at a time.
    factory: OwnedCap<Factory>,
    /// Physical memory for the attackers' parts.
    parts: [u64; TASKS as usize],
    /// Number of CPUs.
    cpus: u32,
}

/// The objects of one round.
pub(crate) struct Round {
    factory: OwnedCap<Factory>,
    tasks: [OwnedCap<Task>; TASKS as usize],
    threads: [OwnedCap<Thread>; THREADS as usize],
    gates: [OwnedCap<IpcGate>; GATES as usize],
    irqs: [OwnedCap<Irq>; IRQS as usize],
    semaphore: OwnedCap<Semaphore>,
    attackers_factory: OwnedCap<Factory>,
    vm: OwnedCap<Task>,
    /// A task without threads, which does not live long.
    spare: OwnedCap<Task>,
    faults: [OwnedCap<IpcGate>; THREADS as usize],
    /// Number of CPUs.
    cpus: u32,
}

impl Arena {
    pub(crate) fn new() -> Self {
        let factory = own::factory().create_factory(ROUND_QUOTA * 3 / 2);
        let scheduler = own::scheduler().info().expect("no scheduler");
        Self {
            factory: factory.expect("no room for the arena"),
            parts: [(); TASKS as usize].map(|()| memory::allocate(PART_ORDER)),
            cpus: scheduler.cpus.count_ones().max(1),
        }
    }

    /// A new round. There is room for it only if nothing of the one before is left.
    pub(crate) fn round(&self) -> Round {
        let mut looks = 0;
        let factory = loop {
            match self.factory.create_factory(ROUND_QUOTA) {
                Ok(factory) => break factory,
                Err(error) => assert!(looks < LOOKS, "kernel memory of the round before: {error}"),
            }
            looks += 1;
            ipc::sleep(Duration::from_millis(1));
        };
        Round::new(self, factory).expect("the quota is too small")
    }
}

impl Round {
    fn new(arena: &Arena, factory: OwnedCap<Factory>) -> Result<Self> {
        let area = Flexpage::memory(UTCBS, UTCBS_ORDER, MemoryRights::RW);
        let tasks = try_array(|_| factory.create_task(area))?;
        let threads = try_array(|_| factory.create_thread())?;
        let gate = |number: usize| match GATE_LABELS.get(number) {
            Some(label) => factory.create_gate(threads[number].as_cap(), *label),
            None => factory.create_unbound_gate(),
        };
        let round = Self {
            gates: try_array(gate)?,
            irqs: try_array(|_| factory.create_irq())?,
            semaphore: factory.create_semaphore()?,
            attackers_factory: factory.create_factory(QUOTA)?,
            vm: factory.create_vm()?,
            spare: factory.create_task(area)?,
            faults: try_array(|number| {
                factory.create_gate(own::thread(), FAULTS_LABEL + 4 * number as u64)
            })?,
            tasks,
            threads,
            factory,
            cpus: arena.cpus,
        };
        for (number, (task, part)) in (0..).zip(round.tasks.iter().zip(arena.parts)) {
            let memory = Flexpage::memory(part, PART_ORDER, MemoryRights::RWX);
            let place = ItemControl::map(MEMORY + (number << PART_ORDER), ItemFlags::empty());
            task.map(own::task(), place, memory)?;
            for slot in slots::FIRST..=SPARE {
                round.give(task.as_cap(), slot)?;
            }
        }
        for number in 0..THREADS {
            round.start(number, true)?;
        }
        Ok(round)
    }

    /// Gives `task` what is in `slot` at the start.
    fn give(&self, task: Cap<Task>, slot: u64) -> Result<()> {
        let all = CapabilityRights::FULL;
        let at = |first: u64| (slot - first) as usize;
        match slot {
            slots::THREADS..slots::TASKS => {
                task.map_capability(self.threads[at(slots::THREADS)].as_cap(), slot, all)
            }
            // Nobody may end the round by destroying these.
            slots::TASKS..slots::GATES => {
                let object = self.tasks[at(slots::TASKS)].as_cap();
                task.map_capability(object, slot, CapabilityRights::RWS)
            }
            slots::FACTORY => {
                let object = self.attackers_factory.as_cap();
                task.map_capability(object, slot, CapabilityRights::RWS)
            }
            slots::GATES..slots::IRQS => {
                task.map_capability(self.gates[at(slots::GATES)].as_cap(), slot, all)
            }
            slots::IRQS..slots::SEMAPHORE => {
                task.map_capability(self.irqs[at(slots::IRQS)].as_cap(), slot, all)
            }
            slots::SEMAPHORE => task.map_capability(self.semaphore.as_cap(), slot, all),
            slots::SCHEDULER => task.map_capability(own::scheduler(), slot, CapabilityRights::RWS),
            slots::ICU => task.map_capability(own::icu(), slot, CapabilityRights::RWS),
            slots::VM => task.map_capability(self.vm.as_cap(), slot, all),
            SPARE => task.map_capability(self.spare.as_cap(), slot, all),
            slots::LOG => task.map_capability(own::log(), slot, CapabilityRights::RWS),
            _ => Ok(()),
        }
    }

    /// Maps pages of the program around `address` to all attackers.
    pub(crate) fn map_program(&self, address: u64, rights: MemoryRights) -> Result<()> {
        let pages = Flexpage::memory(address, program_order(address, rights), rights);
        let control = ItemControl::map(pages.address(), ItemFlags::empty());
        let mut tasks = self.tasks.iter();
        tasks.try_for_each(|task| task.map(own::task(), control, pages))
    }

    /// Starts thread `number`, or starts it afresh, with what a thread has at the start.
    fn start(&self, number: u64, is_new: bool) -> Result<()> {
        let thread = &self.threads[number as usize];
        let task = self.tasks[(number % TASKS) as usize].as_cap();
        let gate = self.faults[number as usize].as_cap();
        task.map_capability(gate, FAULTS + number, CapabilityRights::RWS)?;
        let faults = Some(Selector::new(FAULTS + number));
        thread.control(Control {
            pager: faults,
            exception_handler: faults,
            bind: is_new.then(|| (task, attacker::utcb(number) as usize)),
            alien: Some(false),
        })?;
        self.free(number)?;
        // Around the CPUs that there are.
        let cpus = CpuSet::single(number as u32 % self.cpus);
        own::scheduler().run_thread(thread.as_cap(), cpus, PRIORITY, 0)
    }

    /// Lets thread `number` begin again, whatever it waits for.
    fn free(&self, number: u64) -> Result<()> {
        let argument = number as usize;
        let stack = SHARED.stack_top(number);
        // SAFETY: the stack is that of this thread, which begins anew.
        let stack = unsafe { entry::prepare_stack(stack, attacker::attack as *const (), argument) };
        let thread = &self.threads[number as usize];
        thread.ex_regs(Some(entry::address()), Some(stack), ExRegsFlags::CANCEL)?;
        Ok(())
    }

    /// Frees all threads from what they wait for, and with each `turn` gives another one back what
    /// it had at the start: on several CPUs that takes long. False if the round cannot go on.
    pub(crate) fn restart_all(&mut self, turn: u64) -> bool {
        (0..THREADS).all(|number| {
            let is_free = match number == turn % THREADS {
                true => self.start(number, false),
                false => self.free(number),
            };
            // It may have been destroyed.
            is_free.is_ok() || self.replace(number)
        })
    }

    /// Puts other threads in the place of all.
    pub(crate) fn replace_all(&mut self) -> bool {
        (0..THREADS).all(|number| self.replace(number))
    }

    /// Puts another thread in the place of thread `number`. False if the round cannot go on.
    pub(crate) fn replace(&mut self, number: u64) -> bool {
        let Ok(thread) = self.factory.create_thread() else {
            return false;
        };
        core::mem::replace(&mut self.threads[number as usize], thread).delete();
        let slot = slots::THREADS + number;
        let mut tasks = self.tasks.iter();
        tasks.all(|task| self.give(task.as_cap(), slot).is_ok()) && self.start(number, true).is_ok()
    }

    /// Destroys everything. The tasks have capabilities to each other, so they must be deleted.
    pub(crate) fn end(self) {
        for task in self.tasks {
            task.delete();
        }
        self.spare.delete();
        self.vm.delete();
    }

    /// Gives one of the tasks back what was in one of its slots, made anew if it was destroyed;
    /// another one with each `turn`. False if the round cannot go on.
    pub(crate) fn repair(&mut self, turn: u64) -> bool {
        let slot = slots::FIRST + turn % (SPARE + 1 - slots::FIRST);
        let task = self.tasks[(turn % TASKS) as usize].as_cap();
        self.renew(slot) && self.give(task, slot).is_ok()
    }

    fn renew(&mut self, slot: u64) -> bool {
        let is_gone = |object: Selector| {
            let object: Cap<Task> = Cap::new(object);
            own::task().is_valid(object) != Ok(true)
        };
        match slot {
            slots::GATES..slots::IRQS => {
                let place = &mut self.gates[(slot - slots::GATES) as usize];
                if is_gone(place.selector()) {
                    match self.factory.create_unbound_gate() {
                        Ok(gate) => *place = gate,
                        Err(_) => return false,
                    }
                }
            }
            slots::IRQS..slots::SEMAPHORE => {
                let place = &mut self.irqs[(slot - slots::IRQS) as usize];
                if is_gone(place.selector()) {
                    match self.factory.create_irq() {
                        Ok(irq) => *place = irq,
                        Err(_) => return false,
                    }
                }
            }
            slots::VM => match self.factory.create_vm() {
                Ok(vm) => core::mem::replace(&mut self.vm, vm).delete(),
                Err(_) => return false,
            },
            SPARE => match self.factory.create_task(Flexpage::NIL) {
                Ok(task) => core::mem::replace(&mut self.spare, task).delete(),
                Err(_) => return false,
            },
            slots::SEMAPHORE if is_gone(self.semaphore.selector()) => {
                match self.factory.create_semaphore() {
                    Ok(semaphore) => self.semaphore = semaphore,
                    Err(_) => return false,
                }
            }
            _ => {}
        }
        true
    }
}

/// The thread whose fault came with this label.
pub(crate) fn faulting_thread(label: u64) -> Option<u64> {
    let number = label.checked_sub(FAULTS_LABEL)? / 4;
    (number < THREADS).then_some(number)
}

/// The rights that attackers have on the program's page at `address`, if there is one.
pub(crate) fn program_rights(address: u64) -> Option<MemoryRights> {
    let (start, end) = SHARED.addresses();
    if (start..end).contains(&address) {
        return Some(MemoryRights::RW);
    }
    let mut segments = memory::segments();
    let segment =
        segments.find(|segment| (segment.start & !(PAGE - 1)..segment.end).contains(&address))?;
    Some(match segment.is_executable {
        true => MemoryRights::RX,
        false => MemoryRights::READ,
    })
}

/// Order of the largest block around `address` in which attackers have these rights on each page.
fn program_order(address: u64, rights: MemoryRights) -> u32 {
    let has_rights = |order: &u32| {
        let start = address >> order << order;
        let mut pages = (start..start + (1 << order)).step_by(PAGE as usize);
        pages.all(|page| program_rights(page) == Some(rights))
    };
    let orders = PAGE_ORDER..=MAX_PROGRAM_ORDER;
    orders.take_while(has_rights).last().unwrap_or(PAGE_ORDER)
}

fn try_array<T, const N: usize>(mut make: impl FnMut(usize) -> Result<T>) -> Result<[T; N]> {
    let mut made: [Option<T>; N] = [const { None }; N];
    for (number, place) in made.iter_mut().enumerate() {
        *place = Some(make(number)?);
    }
    Ok(made.map(|object| object.expect("all were made")))
}
