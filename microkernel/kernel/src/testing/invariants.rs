//! What holds after every kernel entry. Each kind of object knows its own part
//! (`check` in its tests); this finds the objects and adds them up.

use l4_abi::rights::CapabilityRights;

use super::World;
use crate::cpu::Cpu;
use crate::memory::quota::QuotaRef;
use crate::object::icu::{HOTPLUG_PIN, INPUT_PIN};
use crate::object::ipc_gate::{self, IpcGate};
use crate::object::irq::{self, Irq};
use crate::object::semaphore::{self, Semaphore};
use crate::object::task::{self, Task};
use crate::object::thread::{self, Thread};
use crate::object::{self, Header, Ref, factory::Factory};
use crate::scheduling;

/// Checks everything. Tells the tasks that there are, but for the initial ones
/// and those that are being destroyed.
pub(super) fn check(world: &World) -> Vec<Ref<Task>> {
    let cpu = &*world.cpu;
    let has_nobody = cpu.loaded.get(cpu).is_none();
    assert_eq!(
        cpu.block().is_idle(),
        has_nobody,
        "whose registers a CPU has"
    );
    if cpu.unfinished.get() {
        // In the middle of something, and only until the next interrupt.
        assert!(cpu.block().is_idle(), "nobody runs before it goes on");
        return world.made.clone();
    }
    assert!(cpu.doomed.is_empty(), "a doomed object is left");
    assert!(
        cpu.dying.is_empty(),
        "the partners of a dead thread are left"
    );
    assert!(!cpu.reschedule.get(), "a decision is left");
    assert!(cpu.departures.is_empty(), "a thread has not left");
    for (id, reachable) in cpu.kernel.reachable.iter().enumerate() {
        let told = !reachable.has_letters() || world.is_interrupted(id);
        assert!(told, "CPU {id} does not know of its letters");
    }
    if world.all_cpus().any(|cpu| cpu.unfinished.get()) {
        return world.made.clone();
    }
    for cpu in world.all_cpus() {
        let loaded = cpu.loaded.get(cpu);
        let task = loaded.and_then(|thread| thread.running_task(cpu));
        assert!(cpu.space.is_of(task), "nobody keeps the loaded space");
    }
    let found = Found::of(world);
    for header in &found.objects {
        check_object(world, header, &found);
    }
    scheduling::tests::check(cpu);
    check_quotas(world, &found);
    let sigma0 = world.sigma0.task_header(cpu);
    let tasks = found.objects.iter().filter(|header| {
        !header.common().is_doomed()
            && !sigma0.is_some_and(|sigma0| sigma0.is(header))
            && !world.root.header().is(header)
    });
    tasks
        .filter_map(|header| Ref::from_header(header))
        .collect()
}

/// All threads that can be reached.
pub(super) fn threads(world: &World) -> Vec<Ref<Thread>> {
    let found = Found::of(world).objects;
    found.into_iter().filter_map(Ref::from_header).collect()
}

fn check_object(world: &World, header: &Header, found: &Found<'_>) {
    let cpu = &*world.cpu;
    object::tests::check(cpu, header, found.slots_of(header));
    if let Some(thread) = header.downcast::<Thread>() {
        thread::tests::check(world.cpu_of(thread), thread);
    } else if let Some(irq) = header.downcast::<Irq>() {
        irq::tests::check(cpu, irq);
    } else if let Some(gate) = header.downcast::<IpcGate>() {
        ipc_gate::tests::check(cpu, gate);
    } else if let Some(semaphore) = header.downcast::<Semaphore>() {
        semaphore::tests::check(cpu, semaphore);
    } else if let Some(task) = header.downcast::<Task>() {
        task::tests::check(cpu, task);
    }
}

/// What is in use is charged, each byte to one quota.
fn check_quotas(world: &World, found: &Found<'_>) {
    if is_anything_dying(world) {
        // Its quota may be one that nothing else leads to.
        return;
    }
    let mut quotas: Vec<QuotaRef> = vec![world.quota];
    for header in &found.objects {
        let own = header.common().quota;
        let made = header.downcast::<Factory>().map(Factory::quota);
        for first in [Some(own), made].into_iter().flatten() {
            let mut next = Some(first);
            while let Some(quota) = next
                && !quotas.contains(&quota)
            {
                quotas.push(quota);
                next = quota.parent();
            }
        }
    }
    let mut used = world.quota.used() - world.charged;
    for quota in &quotas[1..] {
        assert!(quota.used() <= quota.limit(), "a quota is exceeded");
        used = used + quota.used() - quota.limit();
    }
    // The quota's own bytes are in the parent's charge, and in the heap's.
    assert_eq!(used, world.used() as u64, "memory and charges differ");
}

/// Objects end, or wait to be freed: for other CPUs, or for an entry that
/// takes the time, if the test had the last reference.
fn is_anything_dying(world: &World) -> bool {
    let is_burying = |cpu: &Cpu| {
        let burial = cpu.burial.take();
        let is_some = burial.is_some();
        cpu.burial.set(burial);
        is_some
    };
    let reaper = &world.cpu.kernel.reaper;
    world.interrupted != 0 || !reaper.is_empty() || world.all_cpus().any(is_burying)
}

/// All objects that can be reached, and the slots that name them.
pub(super) struct Found<'cpu> {
    pub(super) objects: Vec<&'cpu Header>,
    slots: Vec<(&'cpu Header, CapabilityRights)>,
}

impl<'cpu> Found<'cpu> {
    fn of(world: &'cpu World) -> Self {
        let cpu = &*world.cpu;
        let mut found = Self {
            objects: Vec::new(),
            slots: Vec::new(),
        };
        found.add(world.sigma0.header());
        found.add(world.root.header());
        world.made.iter().for_each(|task| found.add(task.header()));
        for pin in (0..cpu.kernel.platform.chip.lines()).chain([INPUT_PIN, HOTPLUG_PIN]) {
            let slot = cpu.kernel.pin_slot(pin).expect("a pin has a place");
            found.add_all(slot.get(cpu).map(|(header, _)| header));
        }
        let mut index = 0;
        while let Some(header) = found.objects.get(index).copied() {
            index += 1;
            if let Some(thread) = header.downcast::<Thread>() {
                let state = thread.state(world.cpu_of(thread));
                found.add_all(thread.task_header(cpu));
                found.add_all(state.receiver.header(cpu));
                found.add_all(state.gate.header(cpu));
                found.add_all(state.semaphore.header(cpu));
                found.add_all(thread.deletion_irq.header(cpu));
                found.add_all(state.vcpu.user_task().header(cpu));
            } else if let Some(gate) = header.downcast::<IpcGate>() {
                found.add_all(gate.thread_header(cpu));
            } else if let Some(irq) = header.downcast::<Irq>() {
                found.add_all(irq.thread_header(cpu));
            } else if let Some(task) = header.downcast::<Task>() {
                found.add_slots(cpu, task);
            }
        }
        found
    }

    fn add_all(&mut self, headers: Option<&'cpu Header>) {
        headers.into_iter().for_each(|header| self.add(header));
    }

    fn add(&mut self, header: &'cpu Header) {
        if !self.objects.iter().any(|known| known.is(header)) {
            self.objects.push(header);
        }
    }

    fn add_slots(&mut self, cpu: &'cpu Cpu, task: &Task) {
        for (_, slot) in task.capabilities.range(0, u64::MAX) {
            if let Some(entry) = slot.get(cpu) {
                assert!(entry.object.common().capabilities.lock().contains(slot));
                self.slots.push((entry.object, entry.rights));
                self.add(entry.object);
            }
        }
    }

    fn slots_of(&self, header: &Header) -> Vec<CapabilityRights> {
        let own = self.slots.iter().filter(|(object, _)| object.is(header));
        own.map(|(_, rights)| *rights).collect()
    }
}
