//! The address space that a CPU has loaded, and the numbers by which hardware
//! tells address spaces apart.

use core::sync::atomic::{AtomicU64, Ordering};

use machine::paging::{self, Root};
use machine::{ports, tlb};

use super::Task;
use crate::cpu::Cpu;
use crate::mapping::memory_space::MemorySpace;
use crate::object::thread::Thread;
use crate::object::{Ref, RefSlot};

/// Gives out the numbers (PCID, VMID), so that a switch flushes nothing.
///
/// A space's tag is a generation and a number. When the numbers are used up,
/// a new generation begins, and everything is flushed once.
pub struct SpaceIds {
    /// The generation, and the last number that was given out in it.
    last: AtomicU64,
    limit: u64,
}

/// Bits of a tag that are the number.
const ID_BITS: u32 = 16;
const ID_MASK: u64 = (1 << ID_BITS) - 1;

impl SpaceIds {
    /// Numbers below `limit`. Number 0 is nobody's.
    pub fn new(limit: u32) -> Self {
        Self {
            last: AtomicU64::new(1 << ID_BITS),
            limit: u64::from(limit),
        }
    }

    /// The number of `space`, if it has one in this generation.
    pub fn current(&self, space: &MemorySpace) -> Option<u16> {
        let tag = space.tag().load(Ordering::Relaxed);
        let generation = self.last.load(Ordering::Relaxed) >> ID_BITS;
        (tag >> ID_BITS == generation).then_some((tag & ID_MASK) as u16)
    }

    /// The number of `space`; a new one if need be.
    fn take(&self, space: &MemorySpace) -> u16 {
        if let Some(id) = self.current(space) {
            return id;
        }
        let mut last = self.last.load(Ordering::Relaxed) + 1;
        if last & ID_MASK >= self.limit || last & ID_MASK == 0 {
            last = ((last >> ID_BITS) + u64::from(last & ID_MASK != 0)) << ID_BITS | 1;
            tlb::flush_everything();
        }
        self.last.store(last, Ordering::Relaxed);
        space.tag().store(last, Ordering::Relaxed);
        (last & ID_MASK) as u16
    }

    /// True if the hardware has such numbers.
    fn exist(&self) -> bool {
        self.limit > 1
    }
}

/// The address space that a CPU has loaded.
pub struct LoadedSpace {
    /// Whose it is. Counted, so that it stays while it is loaded.
    task: RefSlot<Task>,
}

impl LoadedSpace {
    /// None yet.
    pub const fn new() -> Self {
        Self {
            task: RefSlot::empty(),
        }
    }

    /// Loads the address space of `thread`.
    #[inline]
    pub fn load(&self, cpu: &Cpu, thread: &Thread) {
        let running = thread.running_task(cpu);
        let (Some(task), Some(header)) = (running.get(cpu), running.header(cpu)) else {
            return;
        };
        let is_loaded = self
            .task
            .get(cpu)
            .is_some_and(|loaded| core::ptr::eq(loaded, task));
        if is_loaded {
            return;
        }
        let space = task.memory.space();
        let ids = &cpu.kernel.space_ids;
        let id = if ids.exist() { ids.take(&space) } else { 0 };
        paging::activate(cpu.block(), Root::new(space.root().as_u64()), id);
        ports::forbid(cpu.block());
        self.task.replace(Ref::from_header(header));
    }

    /// Whose it is.
    #[cfg(test)]
    pub(crate) fn task_header<'cpu>(&self, cpu: &'cpu Cpu) -> Option<&'cpu crate::object::Header> {
        self.task.header(cpu)
    }

    /// The number under which the CPU may have translations of `space`.
    pub fn id_of(&self, cpu: &Cpu, space: &MemorySpace) -> Option<u16> {
        if cpu.kernel.space_ids.exist() {
            return cpu.kernel.space_ids.current(space);
        }
        let loaded = self.task.get(cpu)?.memory.space();
        core::ptr::eq(&raw const *loaded, space).then_some(0)
    }
}

impl Default for LoadedSpace {
    fn default() -> Self {
        Self::new()
    }
}
