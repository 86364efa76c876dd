//! Memory, I/O ports and capabilities that a flexpage covers: mapping them from
//! one task to another, and taking them back. Both are values that keep their
//! progress, and take bounded steps.

use core::sync::atomic::{Ordering, fence};

use l4_abi::flexpage::{Flexpage, Space};
use l4_abi::item::MapItem;
use l4_abi::protocol::task::UnmapMask;
use l4_abi::rights::MemoryRights;

use super::memory::{CpuFlush, context};
use super::{Task, ports};
use crate::cpu::Cpu;
use crate::mapping::Cursor;
use crate::mapping::map::Map;
use crate::mapping::unmap::Unmap;
use crate::memory::OutOfMemory;
use crate::{capability, trace};

/// A map operation and its progress.
pub enum Mapping {
    /// Of memory.
    Memory(Map),
    /// Of I/O ports.
    Ports(Map),
    /// Of capabilities.
    Objects(capability::Mapping),
    /// Of what cannot be there.
    Nothing,
}

impl Mapping {
    /// Prepares to map an item from `source` to `window` in `destination`.
    pub fn new(
        cpu: &Cpu,
        [source, destination]: [&Task; 2],
        item: MapItem,
        window: Flexpage,
        pass_special: bool,
    ) -> Result<Self, OutOfMemory> {
        trace::map(cpu, item.flexpage, window);
        Ok(match item.space {
            Space::Memory => {
                let [from, to] = [source, destination].map(|task| task.memory.space());
                Self::Memory(Map::new(from, to, item.control, item.flexpage, window))
            }
            Space::IoPort => match ports::prepare_map(cpu, source, destination, item, window)? {
                Some(map) => Self::Ports(map),
                None => Self::Nothing,
            },
            Space::Object => Self::Objects(capability::Mapping::new(item, window, pass_special)),
        })
    }

    /// Goes on. At the end, whether there was anything to map. The tasks are
    /// always the same.
    pub fn step(
        &mut self,
        cpu: &Cpu,
        [source, destination]: [&Task; 2],
        cursor: &Cursor,
    ) -> Option<Result<bool, OutOfMemory>> {
        match self {
            Self::Memory(map) => map.run(&mut context(cpu.kernel, &mut CpuFlush(cpu)), cursor),
            Self::Ports(map) => ports::map_step(cpu, map, cursor, destination),
            Self::Objects(mapping) => mapping.step(cpu, source, destination),
            Self::Nothing => Some(Ok(false)),
        }
    }
}

/// An unmap operation and its progress.
pub struct Revocation {
    flexpage: Flexpage,
    mask: UnmapMask,
    stage: Stage,
    access: u8,
}

enum Stage {
    /// Capabilities, from this slot on.
    Objects(u64),
    Memory(Unmap),
    Ports(Unmap),
}

impl Revocation {
    /// Prepares to take away what `flexpage` covers.
    pub fn new(flexpage: Flexpage, mask: UnmapMask) -> Self {
        Self {
            flexpage,
            mask,
            stage: Stage::Objects(0),
            access: 0,
        }
    }

    /// Prepares to take away all that `task` has, which gets nothing any more.
    pub fn everything(task: &Task) -> Self {
        task.memory.space().close();
        task.ports.close();
        // See `capability::put`.
        fence(Ordering::SeqCst);
        let all = Flexpage::ALL_SPACES.with_rights(MemoryRights::RWX.bits());
        Self::new(all, UnmapMask::ALL_SPACES)
    }

    /// Goes on. At the end, what hardware noted about the memory. It is always
    /// the same task.
    pub fn step(&mut self, cpu: &Cpu, task: &Task, cursor: &Cursor) -> Option<u8> {
        let (flexpage, mask) = (self.flexpage, self.mask);
        if matches!(self.stage, Stage::Objects(_)) && !flexpage.covers(Space::Object) {
            match self.memory(task).or_else(|| self.ports(task)) {
                Some(stage) => self.stage = stage,
                None => return Some(0),
            }
        }
        let next = match &mut self.stage {
            Stage::Objects(first) => {
                if let Some(next) = capability::unmap_some(cpu, task, flexpage, mask, *first) {
                    *first = next;
                    return None;
                }
                self.memory(task).or_else(|| self.ports(task))
            }
            Stage::Memory(unmap) => {
                let mut flush = CpuFlush(cpu);
                self.access |= unmap
                    .run(&mut context(cpu.kernel, &mut flush), cursor)?
                    .bits();
                self.ports(task)
            }
            Stage::Ports(unmap) => {
                unmap.run(
                    &mut context(cpu.kernel, &mut ports::ForgetPorts(cpu)),
                    cursor,
                )?;
                None
            }
        };
        match next {
            Some(stage) => {
                self.stage = stage;
                None
            }
            None => Some(self.access),
        }
    }

    fn memory(&self, task: &Task) -> Option<Stage> {
        let unmap = || task.memory.prepare_unmap(self.flexpage, self.mask);
        (self.flexpage.covers(Space::Memory)).then(|| Stage::Memory(unmap()))
    }

    fn ports(&self, task: &Task) -> Option<Stage> {
        let unmap = task.ports.prepare_unmap(self.flexpage, self.mask);
        unmap.map(Stage::Ports)
    }
}
