//! Giving back what a memory space is made of.

use machine::handle::Handle;
use machine::page_table::Prune;

use super::kernel_user_memory;
use super::memory_space::{MemorySpace, SpaceRef, Table};
use super::{Budget, Context, Progress, STEPS};

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

    /// Goes on. At the end the space is gone.
    pub fn run<F>(&mut self, context: &mut Context<F>) -> Progress<()> {
        /// What it takes to look through a table.
        const TABLE: u32 = 8;
        /// What it takes to free a chunk.
        const CHUNK: u32 = 16;
        if self.is_done {
            return Progress::Done(());
        }
        let (heap, space) = (context.heap, self.space);
        let mut budget = Budget(STEPS);
        while kernel_user_memory::remove_one(space, context) {
            if !budget.take(CHUNK) {
                return Progress::More;
            }
        }
        loop {
            match space.table.prune(self.address) {
                Prune::Table(storage) => heap.free_charged(space.quota, storage),
                Prune::Continue(address) => self.address = address,
                Prune::End => break,
            }
            if !budget.take(TABLE) {
                return Progress::More;
            }
        }
        let quota = space.quota;
        let (space, storage) = Handle::into_parts(space, size_of::<MemorySpace>());
        let root: Table = space.table;
        heap.free_charged(quota, root.into_storage());
        heap.free_charged(quota, storage);
        self.is_done = true;
        Progress::Done(())
    }
}
