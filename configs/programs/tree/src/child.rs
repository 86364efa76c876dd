//! A child: the same program in a task of its own.

use l4_abi::l4re::slot;
use l4_abi::protocol::scheduler::CpuSet;
use l4_abi::timeout::TimeoutPair;
use l4_launch::{Attempt, LaunchError, Launcher, Named, Parts, Program, UTCB_AREA};
use l4_rt::{Cap, CapabilityRights, OwnedCap, ResultCode, env, thread};
use l4_sys::object::{Factory, IpcGate, Log, Scheduler, Task, Thread};
use l4_sys::{Utcb, ipc};
use l4re::mem_alloc::ComponentLimits;
use l4re::{Dataspace, MemAlloc, Namespace, RegionMap};

/// What a child gets of its parent's memory and kernel memory, in bytes, for each level below it
/// and for itself.
const MEMORY: u64 = 512 << 10;
const KERNEL_MEMORY: u64 = 192 << 10;
const NAMES: [&str; super::CHILDREN] = ["left", "right"];
const LEVELS: [&str; 4] = ["0", "1", "2", "3"];

/// A running child, and everything that it is made of.
pub(crate) struct Child {
    _task: OwnedCap<Task>,
    _thread: OwnedCap<Thread>,
    _map: OwnedCap<RegionMap>,
    _memory: OwnedCap<MemAlloc>,
    _factory: OwnedCap<Factory>,
    _scheduler: OwnedCap<Scheduler>,
    _parent: OwnedCap<IpcGate>,
    _log: OwnedCap<Log>,
}

impl Child {
    /// Starts child number `index` with `levels` levels below it.
    pub(crate) fn start(index: usize, levels: u32) -> l4_rt::Result<Self> {
        let level = *LEVELS
            .get(levels as usize)
            .ok_or("there are too many levels")?;
        let rom = env::cap::<Namespace>("rom")?;
        let file: OwnedCap<Dataspace> = rom.lookup("tree")?;
        Ok(Self::launch(index, levels, level, rom, file)?)
    }

    fn launch(
        index: usize,
        levels: u32,
        level: &str,
        rom: Cap<Namespace>,
        file: OwnedCap<Dataspace>,
    ) -> Result<Self, LaunchError> {
        let name = NAMES[index];
        let shares = u64::from(2u32.pow(levels + 1) - 1);
        let factory = env::factory()
            .create_factory(KERNEL_MEMORY * shares)
            .to("give a child kernel memory")?;
        let priority = levels as u8 + 1;
        let limits = ComponentLimits {
            memory: MEMORY * shares,
            tag: name,
            priority,
            cpus: u64::MAX,
        };
        let memory = env::mem_alloc()
            .create_limited(limits, None)
            .to("give a child memory")?;
        let map = memory.create_region_map().to("make its region map")?;
        let log = env::mem_alloc()
            .create_log(name, "green", false)
            .to("make its log")?;
        let scheduler = env::mem_alloc()
            .create_scheduler(priority, 0, u64::MAX)
            .to("make its scheduler")?;
        let label = (index as u64 + 1) << 4;
        let parent = env::factory()
            .create_gate(thread::current(), label)
            .to("hear of its end")?;
        let task = factory.create_task(UTCB_AREA).to("make its task")?;
        let thread = factory.create_thread().to("make its thread")?;

        let parts = Parts {
            task: task.as_cap(),
            thread: thread.as_cap(),
            map: map.as_cap(),
            memory: memory.as_cap(),
            factory: factory.as_cap(),
            scheduler: scheduler.as_cap(),
            parent: parent.as_cap(),
            log: log.as_cap(),
        };
        let program = Program {
            file: file.as_cap(),
            arguments: &["tree", level, name],
            priority,
            cpus: CpuSet::ALL,
        };
        let launcher = Launcher {
            memory: env::mem_alloc(),
            scheduler: env::scheduler(),
            kip: Cap::at(slot::KIP),
        };
        let rights = CapabilityRights::READ;
        let named = [Named {
            name: "rom",
            capability: rom.cast(),
            rights,
        }];
        l4_launch::launch(launcher, program, &parts, &named)?;
        Ok(Self {
            _task: task,
            _thread: thread,
            _map: map,
            _memory: memory,
            _factory: factory,
            _scheduler: scheduler,
            _parent: parent,
            _log: log,
        })
    }
}

/// Waits until a child tells that it has ended: its exit code.
pub(crate) fn wait_for_end() -> Result<i32, ResultCode> {
    /// Words of the message: operation, signal, value.
    const WORDS: usize = 3;
    loop {
        // No receive buffers: nobody is to send capabilities.
        Utcb::current().set_buffer(0, 0);
        let Ok(arrival) = ipc::wait(TimeoutPair::SEND_ZERO) else {
            continue;
        };
        if arrival.tag.label() == l4_abi::protocol::label::PARENT && arrival.tag.words() == WORDS {
            return Ok(Utcb::current().message(WORDS - 1) as i32);
        }
    }
}
