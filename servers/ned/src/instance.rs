//! One running component: the objects that it is made of, for as long as it lives.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use l4_abi::l4re::INITIAL_PRIORITY;
use l4_abi::protocol::scheduler::CpuSet;
use l4_abi::rights::CapabilityRights;
use l4_launch::{Attempt, LaunchError, Launcher, Named, Parts, Program, UTCB_AREA};
use l4_sys::object::{Debugger, Factory, IpcGate, Irq, Log, Scheduler, Task, Thread};
use l4_sys::{AnyObject, Cap, Object, OwnedCap};
use l4re::mem_alloc::ComponentLimits;
use l4re::{Dataspace, MemAlloc, Namespace, RegionMap, Watch};
use system_description::{CapabilityKind, Component, Runtime};

use crate::label::{Kind, Label};

/// The name of the namespace with a component's files.
const ROM: &str = "rom";
/// The name of the gate that a component writes to in place of moe's log, if a server made one.
pub const LOG: &str = "log";
/// A gate that a server made: its name, and the rights that its client gets.
pub type Session = (String, OwnedCap<IpcGate>, CapabilityRights);
/// The boot module that loads programs of L4Re and serves them (`abi/08` §8).
const L4RE_LOADER: &str = "l4re";

/// What ned makes components out of.
#[derive(Clone, Copy)]
pub struct Supplies {
    /// The boot modules.
    pub rom: Cap<Namespace>,
    /// All kernel memory.
    pub factory: Cap<Factory>,
    /// All user memory, the kernel's scheduler, the kernel info page.
    pub launcher: Launcher,
    /// The thread that gets the messages of components.
    pub thread: Cap<Thread>,
}

/// A component that was started. Everything that belongs to it alone goes with it.
pub struct Instance {
    /// The task goes first, so that nothing of the component runs while the rest goes.
    _task: Destroyed<Task>,
    /// With its allocator, moe takes all its memory back.
    _memory: Destroyed<MemAlloc>,
    _parent: Destroyed<IpcGate>,
    _failure: Destroyed<Irq>,
    /// ned's own memory pays for it, so nobody may keep it beyond the component's life.
    _log: Destroyed<Log>,
    _map: OwnedCap<RegionMap>,
    _thread: OwnedCap<Thread>,
    _scheduler: OwnedCap<Scheduler>,
    /// Last, because it pays for kernel objects of the others; afterwards nobody can use its quota.
    _factory: Destroyed<Factory>,
    /// Gates that servers made for it, first among its named capabilities.
    pub(crate) sessions: Vec<Session>,
    pub(crate) parts: Parts,
}

/// A capability whose object is destroyed with it, whoever else has capabilities to it.
struct Destroyed<T: Object>(Option<OwnedCap<T>>);

impl<T: Object> Destroyed<T> {
    fn new(capability: OwnedCap<T>) -> (Self, Cap<T>) {
        let cap = capability.as_cap();
        (Self(Some(capability)), cap)
    }
}

impl<T: Object> Drop for Destroyed<T> {
    fn drop(&mut self) {
        if let Some(capability) = self.0.take() {
            capability.delete();
        }
    }
}

impl Instance {
    /// Creates a component, loads its program and starts it.
    pub fn start(
        supplies: &Supplies,
        component: &Component<'_>,
        label: Label,
        granted: &[Named<'_>],
        sessions: &[Session],
    ) -> Result<Self, LaunchError> {
        const FIND: &str = "find its program among the boot modules";
        // A program of L4Re is loaded by a program of L4Re, in the same task.
        let (program, name) = match component.runtime {
            Runtime::Native => (component.program, String::from(component.program)),
            Runtime::L4re => (L4RE_LOADER, format!("{ROM}/{}", component.program)),
        };
        let file: OwnedCap<Dataspace> = supplies.rom.lookup(program).to(FIND)?;
        let instance = Self::create(supplies, component, label)?;
        let rom = instance.rom_namespace(supplies, component)?;
        let mut named: Vec<Named<'_>> = granted.to_vec();
        if let Some(rom) = &rom {
            let rights = CapabilityRights::READ;
            named.push(Named {
                name: ROM,
                capability: rom.as_cap().cast(),
                rights,
            });
        }
        for capability in &component.capabilities {
            let CapabilityKind::Console = capability.kind;
            let (name, log) = (capability.name, instance.parts.log.cast());
            named.push(Named {
                name,
                capability: log,
                rights: CapabilityRights::RW,
            });
        }
        let mut arguments = alloc::vec![name.as_str()];
        arguments.extend(&component.args);
        let program = Program {
            file: file.as_cap(),
            arguments: &arguments,
            priority: component.priority,
            cpus: cpu_set(component.cpus),
        };
        let console = sessions.iter().find(|(name, ..)| name == LOG);
        let parts = Parts {
            log: console.map_or(instance.parts.log, |(_, gate, _)| gate.as_cap().cast()),
            ..instance.parts
        };
        l4_launch::launch(supplies.launcher, program, &parts, &named)?;
        Ok(instance)
    }

    /// Its log at moe.
    pub fn log(&self) -> Cap<Log> {
        self.parts.log
    }

    /// Its memory, for who wants to know why it failed.
    pub fn map(&self) -> Cap<RegionMap> {
        self.parts.map
    }

    /// Everything but the program.
    fn create(
        supplies: &Supplies,
        component: &Component<'_>,
        label: Label,
    ) -> Result<Self, LaunchError> {
        const WATCH: &str = "watch it";
        let root = supplies.launcher.memory;
        let factory = supplies.factory.create_factory(component.kernel_memory);
        let factory = factory.to("set its kernel memory aside")?;
        let (factory, factory_cap) = Destroyed::new(factory);
        let limits = ComponentLimits {
            memory: component.memory,
            tag: component.name,
            priority: component.priority,
            cpus: component.cpus,
        };
        let memory = root.create_limited(limits, Some(factory_cap));
        let (memory, memory_cap) = Destroyed::new(memory.to("set its memory aside")?);
        let map = memory_cap.create_region_map().to("make its region map")?;

        let failure = supplies.factory.create_irq().to(WATCH)?;
        let (failure, failure_cap) = Destroyed::new(failure);
        let (thread, label) = (supplies.thread, |kind| Label { kind, ..label }.raw());
        let bound = failure_cap.bind_thread(thread, label(Kind::Failure));
        bound.to(WATCH)?;
        let watch: Cap<Watch> = map.as_cap().cast();
        let watched = watch.watch(failure_cap.pass(CapabilityRights::RWS));
        watched.to(WATCH)?;
        let parent = supplies.factory.create_gate(thread, label(Kind::Parent));
        let (parent, parent_cap) = Destroyed::new(parent.to(WATCH)?);

        let (tag, colour) = (component.name, component.colour);
        let log = root.create_log(tag, colour, !component.capabilities.is_empty());
        let (log, log_cap) = Destroyed::new(log.to("make its log")?);
        let scheduler = memory_cap
            .create_scheduler(component.priority, base_priority(component), component.cpus)
            .to("make its scheduler")?;
        let (task, task_cap) =
            Destroyed::new(factory_cap.create_task(UTCB_AREA).to("make its task")?);
        let thread = factory_cap.create_thread().to("make its thread")?;
        let name = component.name;
        Debugger::KERNEL.introduce(task_cap, thread.as_cap(), name, component.program);
        let parts = Parts {
            task: task_cap,
            thread: thread.as_cap(),
            map: map.as_cap(),
            memory: memory_cap,
            factory: factory_cap,
            scheduler: scheduler.as_cap(),
            parent: parent_cap,
            log: log_cap,
        };
        Ok(Self {
            _task: task,
            _memory: memory,
            _parent: parent,
            _failure: failure,
            _log: log,
            _map: map,
            _thread: thread,
            _scheduler: scheduler,
            _factory: factory,
            sessions: Vec::new(),
            parts,
        })
    }

    /// A namespace with just the files that the component is to see; none if there are none.
    fn rom_namespace(
        &self,
        supplies: &Supplies,
        component: &Component<'_>,
    ) -> Result<Option<OwnedCap<Namespace>>, LaunchError> {
        use l4re::namespace::Flags;
        const MAKE: &str = "make its rom namespace";
        // The loader of L4Re finds the program there.
        let program = match component.runtime {
            Runtime::Native => None,
            Runtime::L4re => Some(component.program),
        };
        let program = program.filter(|program| component.rom.iter().all(|name| name != program));
        if component.rom.is_empty() && program.is_none() {
            return Ok(None);
        }
        let namespace = self.parts.memory.create_namespace().to(MAKE)?;
        for name in component.rom.iter().copied().chain(program) {
            let file = supplies.rom.lookup::<AnyObject>(name);
            let file = file.to("find a file for its rom namespace")?;
            let file = file.as_cap().pass(CapabilityRights::READ);
            namespace
                .register(Flags::RO.bits(), name.as_bytes(), Some(file))
                .to(MAKE)?;
        }
        Ok(Some(namespace))
    }
}

/// What is added to the priorities that a component asks for. Programs of L4Re ask for 2 for their
/// threads and for the highest for their service, and mean what the one who starts them wants.
fn base_priority(component: &Component<'_>) -> u8 {
    match component.runtime {
        Runtime::Native => 0,
        Runtime::L4re => component.priority.saturating_sub(INITIAL_PRIORITY as u8),
    }
}

fn cpu_set(cpus: u64) -> CpuSet {
    match cpus {
        u64::MAX => CpuSet::ALL,
        map => CpuSet {
            granularity_offset: 0,
            map,
        },
    }
}
