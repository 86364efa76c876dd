//! The address space that a CPU has loaded: that of the thread that it has
//! loaded, which keeps the task. Whoever unloads the thread unloads this too.

use core::cell::Cell;

use machine::paging::Root;
use machine::tlb::{Residence, Tlb};

use super::Task;
use crate::cpu::Cpu;
use crate::mapping::memory_space::{MemorySpace, SpaceRef};

/// The address space that a CPU has loaded, and what it remembers of others.
pub struct LoadedSpace {
    space: Cell<Option<SpaceRef>>,
    tlb: Tlb,
}

impl LoadedSpace {
    /// None yet.
    pub const fn new() -> Self {
        Self {
            space: Cell::new(None),
            tlb: Tlb::new(),
        }
    }

    /// Loads the address space of `task`, in which the loaded thread runs.
    #[inline(always)]
    pub fn load(&self, cpu: &Cpu, task: Option<&Task>) {
        let Some(task) = task else {
            return;
        };
        let space = task.memory.space();
        if self.space.get() == Some(space) {
            return;
        }
        self.space.set(Some(space));
        if !self.tlb.load_again(cpu.block(), space.residence()) {
            self.load_anew(cpu, space);
        }
    }

    #[cold]
    #[inline(never)]
    fn load_anew(&self, cpu: &Cpu, space: SpaceRef) {
        let root = Root::new(space.root().as_u64());
        let tlbs = &cpu.kernel.tlbs;
        tlbs.load(cpu.block(), &self.tlb, space.residence(), root);
    }

    /// Loads none: no thread is loaded.
    pub fn unload(&self, cpu: &Cpu) {
        if let Some(space) = self.space.take() {
            let tlbs = &cpu.kernel.tlbs;
            tlbs.unload(cpu.block(), &self.tlb, space.residence());
        }
    }

    /// True if it is that of `task`, or none if that is what there is.
    #[cfg(test)]
    pub(crate) fn is_of(&self, task: Option<&Task>) -> bool {
        self.space.get() == task.map(|task| task.memory.space())
    }

    /// The page at `address` of `space` has changed or is gone, or more than
    /// that page, if `is_single` is false. The mapping tree is locked.
    pub fn forget(&self, cpu: &Cpu, space: &MemorySpace, address: u64, is_single: bool) {
        debug_assert!(
            cpu.kernel.mappings.are_locked(),
            "another CPU could miss it"
        );
        let (tlbs, residence) = (&cpu.kernel.tlbs, space.residence());
        tlbs.forget(cpu.block(), &self.tlb, residence, address, is_single);
    }

    /// Waits until no CPU uses what has been forgotten.
    #[inline(always)]
    pub fn wait(&self, cpu: &Cpu) {
        let (tlbs, platform) = (&cpu.kernel.tlbs, &cpu.kernel.platform);
        self.with_residence(|loaded| {
            tlbs.wait(platform, cpu.block(), &self.tlb, loaded);
        });
    }

    /// Forgets what other CPUs have asked this one to forget.
    pub fn serve(&self, cpu: &Cpu) {
        let tlbs = &cpu.kernel.tlbs;
        self.with_residence(|loaded| tlbs.serve(cpu.block(), &self.tlb, loaded));
    }

    #[inline(always)]
    fn with_residence(&self, act: impl FnOnce(Option<&Residence>)) {
        let space = self.space.get();
        act(space.as_ref().map(|space| space.residence()));
    }
}
