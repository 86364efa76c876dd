//! One running component: creating its task, loading its program, starting and removing it.

mod image;
mod task;

use alloc::vec::Vec;
use core::fmt;

use l4_abi::rights::CapabilityRights;
use l4_sys::object::{Factory, IpcGate, Irq, Log, Scheduler, Task, Thread};
use l4_sys::{AnyObject, Cap, Error, OwnedCap};
use l4re::mem_alloc::ComponentLimits;
use l4re::{Dataspace, MemAlloc, Namespace, RegionMap, Watch};
use system_description::{CapabilityKind, Component};

use crate::label::{Kind, Label};

/// What ned makes components out of.
#[derive(Clone, Copy)]
pub struct Supplies {
    /// The boot modules.
    pub rom: Cap<Namespace>,
    /// All user memory.
    pub memory: Cap<MemAlloc>,
    /// All kernel memory.
    pub factory: Cap<Factory>,
    /// The kernel's scheduler.
    pub scheduler: Cap<Scheduler>,
    /// The dataspace of the kernel info page.
    pub kip: Cap<Dataspace>,
    /// The thread that gets the messages of components.
    pub thread: Cap<Thread>,
}

/// A capability that a component gets under a name.
#[derive(Clone, Copy)]
pub struct Named<'a> {
    /// The name.
    pub name: &'a str,
    /// The capability.
    pub capability: Cap<AnyObject>,
    /// The rights that it gets.
    pub rights: CapabilityRights,
}

/// Why a component could not be started.
#[derive(Debug)]
pub struct StartError {
    action: &'static str,
    reason: Reason,
}

#[derive(Debug)]
enum Reason {
    Call(Error),
    Program(l4_loader::Error),
    Text(&'static str),
}

impl fmt::Display for StartError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "cannot {}: ", self.action)?;
        match &self.reason {
            Reason::Call(error) => error.fmt(out),
            Reason::Program(error) => error.fmt(out),
            Reason::Text(text) => out.write_str(text),
        }
    }
}

/// Says what was attempted when something failed.
trait Attempt<T> {
    fn to(self, action: &'static str) -> Result<T, StartError>;
}

impl<T, E: Into<Error>> Attempt<T> for Result<T, E> {
    fn to(self, action: &'static str) -> Result<T, StartError> {
        self.map_err(|error| StartError {
            action,
            reason: Reason::Call(error.into()),
        })
    }
}

/// A component that was started. Everything that belongs to it alone goes with it.
pub struct Instance {
    /// Where it writes to.
    pub log: OwnedCap<Log>,
    /// Its memory, for who wants to know why it failed.
    pub map: OwnedCap<RegionMap>,
    task: Option<OwnedCap<Task>>,
    memory: Option<OwnedCap<MemAlloc>>,
    parent: Option<OwnedCap<IpcGate>>,
    failure: Option<OwnedCap<Irq>>,
    thread: OwnedCap<Thread>,
    factory: OwnedCap<Factory>,
    scheduler: OwnedCap<Scheduler>,
}

impl Instance {
    /// Creates a component, loads its program and starts it.
    pub fn start(
        supplies: &Supplies,
        component: &Component<'_>,
        label: Label,
        granted: &[Named<'_>],
    ) -> Result<Self, StartError> {
        let instance = Self::create(supplies, component, label)?;
        let program = image::load(supplies, component, &instance)?;
        let rom = rom_namespace(supplies, component, &instance)?;
        let mut named: Vec<Named<'_>> = granted.to_vec();
        if let Some(rom) = &rom {
            let rights = CapabilityRights::READ;
            named.push(Named {
                name: "rom",
                capability: rom.as_cap().cast(),
                rights,
            });
        }
        for capability in component.capabilities {
            let CapabilityKind::Console = capability.kind;
            named.push(Named {
                name: capability.name,
                capability: instance.log.as_cap().cast(),
                rights: CapabilityRights::RW,
            });
        }
        task::start(supplies, component, &instance, &program, &named)?;
        Ok(instance)
    }

    /// Everything but the program.
    fn create(
        supplies: &Supplies,
        component: &Component<'_>,
        label: Label,
    ) -> Result<Self, StartError> {
        let factory = supplies
            .factory
            .create_factory(component.kernel_memory)
            .to("set its kernel memory aside")?;
        let limits = ComponentLimits {
            memory: component.memory,
            tag: component.name,
            priority: component.priority,
            cpus: component.cpus,
        };
        let memory = supplies
            .memory
            .create_for_component(limits, factory.as_cap())
            .to("set its memory aside")?;
        let (tag, colour) = (component.name, component.colour.name());
        let has_console = component
            .capabilities
            .iter()
            .any(|one| one.kind == CapabilityKind::Console);
        let log = if has_console {
            supplies.memory.create_console(tag, colour)
        } else {
            supplies.memory.create_log(tag, colour)
        };
        let map = memory.create_region_map().to("make its region map")?;
        let failure = supplies.factory.create_irq().to("watch it")?;
        let failure_label = Label {
            kind: Kind::Failure,
            ..label
        }
        .raw();
        failure
            .bind_thread(supplies.thread, failure_label)
            .to("watch it")?;
        map.as_cap()
            .cast::<Watch>()
            .watch(failure.as_cap().pass(CapabilityRights::RWS))
            .to("watch it")?;
        let parent_label = Label {
            kind: Kind::Parent,
            ..label
        }
        .raw();
        let parent = supplies
            .factory
            .create_gate(supplies.thread, parent_label)
            .to("watch it")?;
        let scheduler = supplies
            .memory
            .create_scheduler(component.priority, 0, component.cpus)
            .to("make its scheduler")?;
        Ok(Self {
            log: log.to("make its log")?,
            map,
            task: Some(factory.create_task(task::UTCB_AREA).to("make its task")?),
            thread: factory.create_thread().to("make its thread")?,
            memory: Some(memory),
            parent: Some(parent),
            failure: Some(failure),
            factory,
            scheduler,
        })
    }

    fn task(&self) -> Result<Cap<Task>, StartError> {
        let task = self.task.as_ref().map(OwnedCap::as_cap);
        task.ok_or(StartError {
            action: "start it",
            reason: Reason::Text("it has ended"),
        })
    }
}

/// The task goes first, so that nothing of the component runs while the rest goes. Destroying its
/// allocator makes moe take all its memory back.
impl Drop for Instance {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.delete();
        }
        if let Some(memory) = self.memory.take() {
            memory.delete();
        }
        if let Some(parent) = self.parent.take() {
            parent.delete();
        }
        if let Some(failure) = self.failure.take() {
            failure.delete();
        }
    }
}

/// A namespace with just the files that the component is to see; none if there are none.
fn rom_namespace(
    supplies: &Supplies,
    component: &Component<'_>,
    instance: &Instance,
) -> Result<Option<OwnedCap<Namespace>>, StartError> {
    use l4re::namespace::Flags;
    const MAKE: &str = "make its rom namespace";
    let Some(memory) = instance
        .memory
        .as_ref()
        .filter(|_| !component.rom.is_empty())
    else {
        return Ok(None);
    };
    let namespace = memory.create_namespace().to(MAKE)?;
    for name in component.rom {
        let file = supplies
            .rom
            .lookup::<AnyObject>(name)
            .to("find a file for its rom namespace")?;
        let file = file.as_cap().pass(CapabilityRights::READ);
        namespace
            .register(Flags::RO.bits(), name.as_bytes(), Some(file))
            .to(MAKE)?;
    }
    Ok(Some(namespace))
}
