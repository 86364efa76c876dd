//! Giving back what a memory space is made of.

use machine::handle::Handle;
use machine::page_table::Prune;

use super::kernel_user_memory;
use super::memory_space::{MemorySpace, SpaceRef};
use super::{Budget, STEPS};
use crate::memory::KernelHeap;

/// The destruction of a space from which everything has been revoked
/// ([`Unmap::everything`](super::unmap::Unmap::everything) after
/// [`close`](super::memory_space::MemorySpace::close)). No CPU uses the space any more, and
/// nobody refers to its kernel-user memory.
pub struct Teardown {
    space: SpaceRef,
    /// Below this address there are no tables left.
    address: u64,
    is_done: bool,
}

impl Teardown {
    /// Prepares the destruction.
    pub fn new(space: SpaceRef) -> Teardown {
        Teardown {
            space,
            address: 0,
            is_done: false,
        }
    }

    /// Gives back a part. False if nothing is left: the space is gone.
    pub fn run(&mut self, heap: &KernelHeap) -> bool {
        /// What it takes to look through a table.
        const TABLE: u32 = 8;
        /// What it takes to free a chunk.
        const CHUNK: u32 = 16;
        if self.is_done {
            return false;
        }
        let space = self.space;
        let mut budget = Budget(STEPS);
        while kernel_user_memory::remove_one(space, heap) {
            if !budget.take(CHUNK) {
                return true;
            }
        }
        loop {
            match space.table.prune(self.address) {
                Prune::Table(storage) => heap.free_charged(space.quota, storage),
                Prune::Continue(address) => self.address = address,
                Prune::End => break,
            }
            if !budget.take(TABLE) {
                return true;
            }
        }
        let quota = space.quota;
        let (space, storage) = Handle::into_parts(space, size_of::<MemorySpace>());
        heap.free_charged(quota, space.table.into_storage());
        heap.free_charged(quota, storage);
        self.is_done = true;
        false
    }
}
