//! The I/O ports of a task.
//!
//! They are a space of the mapping tree like its memory: a port is a page
//! whose number is the port's, so what was mapped can be revoked in the same
//! way. The space is made when the task gets its first port. The CPU looks at
//! a bitmap, of which a small part is filled from the space when a thread of the
//! task is refused a port, and which is out of force whenever any ports change.

use l4_abi::flexpage::{Flexpage, Space, Transfer};
use l4_abi::item::MapItem;
use l4_abi::protocol::task::UnmapMask;
use l4_abi::rights::MemoryRights;
use machine::lock::Lock;
use machine::memory::FRAME_ORDER;
use machine::ports;

use super::Task;
use super::memory::context;
use crate::cpu::Cpu;
use crate::mapping::map::Map;
use crate::mapping::memory_space::{MemorySpace, SpaceRef};
use crate::mapping::unmap::{Scope, Unmap};
use crate::mapping::{Cursor, Flush, teardown};
use crate::memory::{KernelHeap, OutOfMemory};

/// The ports of a task.
pub struct TaskPorts {
    space: Lock<Option<SpaceRef>>,
}

impl TaskPorts {
    /// No ports.
    pub const fn new() -> Self {
        Self {
            space: Lock::new(None),
        }
    }

    fn space(&self) -> Option<SpaceRef> {
        *self.space.lock()
    }

    /// Lets the CPU use the task's ports that an instruction may have meant:
    /// those near `port`, and those below 256, which some name in themselves.
    /// False if it has none of them, or the CPU can already.
    pub fn load(&self, cpu: &Cpu, port: u16) -> bool {
        const NEAR: u16 = 15;
        // The first task has all of them to give away, none to use.
        let Some(space) = self.space().filter(|space| !space.is_physical()) else {
            return false;
        };
        cpu.kernel.tlbs.keep(cpu.block(), space.residence());
        let near = (port & !NEAR, port.saturating_add(3) | NEAR);
        ports::allow(cpu.block(), |allow_ports| {
            [near, (0, 255)].into_iter().any(|(first, last)| {
                let [first, last] = [first, last].map(|port| u64::from(port) << FRAME_ORDER);
                let allow = |is_new, (address, order)| {
                    let port = (address >> FRAME_ORDER) as u16;
                    allow_ports(port, 1_usize << (order - FRAME_ORDER)) || is_new
                };
                space.pages_in(first, last).fold(false, allow)
            })
        })
    }

    /// Prepares to revoke ports (abi/03 §5), if there are any: any right but X
    /// stands for the whole port.
    pub fn prepare_unmap(&self, flexpage: Flexpage, mask: UnmapMask) -> Option<Unmap> {
        let space = self.space()?;
        let is_meant = flexpage.covers(Space::IoPort)
            && (flexpage.memory_rights()).intersects(MemoryRights::RW);
        is_meant.then(|| Unmap::new(space, as_pages(flexpage), Scope::of(mask)))
    }

    /// Takes no ports any more.
    pub fn close(&self) {
        if let Some(space) = self.space() {
            space.close();
        }
    }

    /// Gives back a part of the tables; false if nothing is left. Nothing
    /// refers to the task any more.
    pub fn release_part(&mut self, heap: &KernelHeap) -> bool {
        let mut place = self.space.lock();
        *place = place.filter(|space| teardown::release_part(*space, heap));
        place.is_some()
    }
}

/// Ports as the pages that stand for them.
fn as_pages(flexpage: Flexpage) -> Flexpage {
    let ports = flexpage.block(Flexpage::WHOLE_IO_PORT_ORDER);
    Flexpage::memory(
        ports.start() << FRAME_ORDER,
        ports.order() + FRAME_ORDER,
        MemoryRights::RWX,
    )
}

/// The space of the task's ports, which is made if need be; none on a machine without ports, or if
/// the task has ended.
fn make_space(cpu: &Cpu, task: &Task) -> Result<Option<SpaceRef>, OutOfMemory> {
    let mut place = task.ports.space.lock();
    if task.memory.is_closed() {
        return Ok(None);
    }
    if let (None, Some(format)) = (&*place, ports::format()) {
        let (heap, has_all) = (&cpu.kernel.heap, task.memory.is_physical());
        *place = Some(MemorySpace::new(heap, task.quota, format, has_all, |_| ())?);
    }
    Ok(*place)
}

/// Prepares to map the ports of an item from `source` to `destination`, as far
/// as they are in `window`: ports keep their numbers (abi/03 §4.6). `None`: there
/// are none.
pub(super) fn prepare_map(
    cpu: &Cpu,
    source: &Task,
    destination: &Task,
    item: MapItem,
    window: Flexpage,
) -> Result<Option<Map>, OutOfMemory> {
    let whole = Flexpage::WHOLE_IO_PORT_ORDER;
    let transfer = Transfer::same_numbers(item.flexpage.block(whole), window.block(whole));
    let from = match source.memory.is_physical() {
        true => make_space(cpu, source)?,
        false => source.ports.space(),
    };
    let (Some(Transfer { send, .. }), Some(from)) = (transfer, from) else {
        return Ok(None);
    };
    // There are none behind the last number.
    let Ok(first) = u16::try_from(send.start()) else {
        return Ok(None);
    };
    let to = make_space(cpu, destination)?;
    let ports = as_pages(Flexpage::io_ports(first, send.order()));
    Ok(to.map(|to| Map::new(from, to, item.control, ports, ports)))
}

/// Goes on with `map` to `destination`. At the end, whether there was anything
/// to map.
pub(super) fn map_step(
    cpu: &Cpu,
    map: &mut Map,
    cursor: &Cursor,
    destination: &Task,
) -> Option<Result<bool, OutOfMemory>> {
    let mut flush = ForgetPorts(cpu);
    let result = map.run(&mut context(cpu.kernel, &mut flush), cursor)?;
    // What was refused before may be allowed now.
    if let Some(space) = destination.ports.space() {
        cpu.kernel.mappings.forget(&space, &mut flush);
    }
    Some(result)
}

/// Puts the bitmaps out of force.
pub(super) struct ForgetPorts<'cpu>(pub(super) &'cpu Cpu);

impl Flush for ForgetPorts<'_> {
    fn page(&mut self, space: &MemorySpace, address: u64, _: u32) {
        ports::forbid(self.0.block());
        self.0.space.forget(self.0, space, address, false);
    }

    fn commit(&mut self) {
        self.0.space.wait(self.0);
    }
}
