//! Giving back what a memory space is made of.

use machine::handle::Handle;

use super::memory_space::{MemorySpace, SpaceRef};
use super::{Budget, STEPS, kernel_user_memory};
use crate::memory::KernelHeap;

/// What it takes to look through a table.
const TABLE: u32 = 8;
/// What it takes to free a chunk.
const CHUNK: u32 = 16;

/// Gives back a part of a space that is [closed](MemorySpace::close) and from which everything has
/// been revoked. No CPU uses the space any more, and nobody refers to its kernel-user memory. False
/// if nothing is left: the space is gone.
pub fn release_part(space: SpaceRef, heap: &KernelHeap) -> bool {
    let mut budget = Budget(STEPS);
    while kernel_user_memory::remove_one(space, heap) {
        if !budget.take(CHUNK) {
            return true;
        }
    }
    while let Some(table) = space.table.take_table() {
        heap.free_charged(space.quota, table);
        if !budget.take(TABLE) {
            return true;
        }
    }
    let quota = space.quota;
    let (mut space, storage) = Handle::into_parts(space, size_of::<MemorySpace>());
    if let Some(descriptors) = space.residence.take_descriptors() {
        heap.free_charged(quota, descriptors);
    }
    heap.free_charged(quota, space.table.into_storage());
    heap.free_charged(quota, storage);
    false
}
