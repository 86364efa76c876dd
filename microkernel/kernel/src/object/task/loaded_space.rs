//! The address space that a CPU has loaded.

use machine::paging::Root;
use machine::ports;
use machine::tlb::{Residence, Tlb};

use super::Task;
use crate::cpu::Cpu;
use crate::mapping::memory_space::MemorySpace;
use crate::object::RefSlot;

/// The address space that a CPU has loaded, and what it remembers of others.
pub struct LoadedSpace {
    /// Whose it is. Counted, so that it stays while it is loaded.
    task: RefSlot<Task>,
    tlb: Tlb,
}

impl LoadedSpace {
    /// None yet.
    pub const fn new() -> Self {
        Self {
            task: RefSlot::empty(),
            tlb: Tlb::new(),
        }
    }

    /// Loads the address space of the task in `slot`, whose thread is to run.
    #[inline(always)]
    pub fn load(&self, cpu: &Cpu, slot: &RefSlot<Task>) {
        let Some(task) = slot.get(cpu) else {
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
        let root = Root::new(space.root().as_u64());
        let tlbs = &cpu.kernel.tlbs;
        tlbs.load(cpu.block(), &self.tlb, space.residence(), root);
        ports::forbid(cpu.block());
        self.task.replace(slot.counted(cpu));
    }

    /// Loads none: the CPU idles, and keeps no task from its end.
    pub fn unload(&self, cpu: &Cpu) {
        if let Some(task) = self.task.get(cpu) {
            let space = task.memory.space();
            let tlbs = &cpu.kernel.tlbs;
            tlbs.unload(cpu.block(), &self.tlb, space.residence());
            self.task.replace(None);
        }
    }

    /// Whose it is.
    #[cfg(test)]
    pub(crate) fn task_header<'cpu>(&self, cpu: &'cpu Cpu) -> Option<&'cpu crate::object::Header> {
        self.task.header(cpu)
    }

    /// The page at `address` of `space` has changed or is gone, or more than
    /// that page, if `is_single` is false.
    pub fn forget(&self, cpu: &Cpu, space: &MemorySpace, address: u64, is_single: bool) {
        let (tlbs, residence) = (&cpu.kernel.tlbs, space.residence());
        tlbs.forget(cpu.block(), &self.tlb, residence, address, is_single);
    }

    /// Waits until no CPU uses what has been forgotten.
    #[inline]
    pub fn wait(&self, cpu: &Cpu) {
        let (tlbs, platform) = (&cpu.kernel.tlbs, &cpu.kernel.platform);
        self.with_residence(cpu, |loaded| {
            tlbs.wait(platform, cpu.block(), &self.tlb, loaded);
        });
    }

    /// Forgets what other CPUs have asked this one to forget.
    pub fn serve(&self, cpu: &Cpu) {
        let tlbs = &cpu.kernel.tlbs;
        self.with_residence(cpu, |loaded| tlbs.serve(cpu.block(), &self.tlb, loaded));
    }

    #[inline]
    fn with_residence(&self, cpu: &Cpu, act: impl FnOnce(Option<&Residence>)) {
        let space = self.task.get(cpu).map(|task| task.memory.space());
        act(space.as_ref().map(|space| space.residence()));
    }
}

impl Default for LoadedSpace {
    fn default() -> Self {
        Self::new()
    }
}
