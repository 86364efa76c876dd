//! Kernel-user memory: UTCB areas and vCPU states. Kernel memory that a task sees, at an address
//! that it chose, for as long as the task exists: nobody can unmap it or map it on.
//!
//! Source: `abi/02` (general layout, UTCB areas), `abi/05` (Task add_ku_mem).

use core::sync::atomic::Ordering;

use l4_abi::flexpage::{Block, Flexpage, Space};
use l4_abi::rights::MemoryRights;
use machine::handle::{Handle, Link};
use machine::memory::{FRAME_SIZE, Shared, SharedMemory, SharedPointer};
use machine::page_table::{Access, Attributes, Cache, Content, Leaf};

use super::memory_space::SpaceRef;
use super::{Context, Mappings};
use crate::memory::OutOfMemory;

/// Orders that a chunk may have: 4 KiB to 128 KiB.
const ORDERS: core::ops::RangeInclusive<u32> = 12..=17;
/// Most chunks of a space, so that looking one up takes bounded time.
const MAX_CHUNKS: u64 = 1024;

/// A chunk of kernel-user memory. The pages have no node in the mapping tree.
pub(super) struct Chunk {
    memory: SharedMemory,
    address: u64,
    /// The chunk that was added before.
    next: Link<Chunk>,
}

/// Why a chunk was not added.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AddError {
    /// The flexpage has the wrong type or size, or is not in the user's part of the space.
    Invalid,
    /// Something is mapped there.
    Occupied,
    /// There is no memory for it.
    OutOfMemory,
}

impl From<OutOfMemory> for AddError {
    fn from(_: OutOfMemory) -> AddError {
        AddError::OutOfMemory
    }
}

/// Adds a chunk, filled with zeros. The flexpage that comes back says where it is.
pub fn add<F>(
    space: SpaceRef,
    context: &Context<F>,
    flexpage: Flexpage,
) -> Result<Flexpage, AddError> {
    let order = flexpage.order();
    if flexpage.space() != Some(Space::Memory) || !ORDERS.contains(&order) {
        return Err(AddError::Invalid);
    }
    let block = Block::new(flexpage.address(), order);
    if block.last() > space.last_address() {
        return Err(AddError::Invalid);
    }
    let _guard = context.mappings.tree.lock();
    if pages(block).any(|page| matches!(space.table.walk(page, 0).content(), Content::Leaf(_))) {
        return Err(AddError::Occupied);
    }
    if space.is_closed() || space.chunk_count.load(Ordering::Relaxed) >= MAX_CHUNKS {
        return Err(AddError::OutOfMemory);
    }
    add_checked(space, context, block)?;
    Ok(Flexpage::memory(
        block.start(),
        order,
        MemoryRights::empty(),
    ))
}

fn add_checked<F>(space: SpaceRef, context: &Context<F>, block: Block) -> Result<(), OutOfMemory> {
    let heap = context.heap;
    for page in pages(block) {
        space.deepen(heap, space.table.walk(page, 0), page, 0)?;
    }
    let entry = heap.allocate_charged(space.quota, size_of::<Chunk>())?;
    let storage = match heap.allocate_charged(space.quota, block.size() as usize) {
        Ok(storage) => storage,
        Err(OutOfMemory) => {
            heap.free_charged(space.quota, entry);
            return Err(OutOfMemory);
        }
    };
    let memory = SharedMemory::new(storage);
    let start = heap.window().physical(memory.address());
    for page in pages(block) {
        let leaf = Leaf {
            memory: start.offset(page - block.start()),
            attributes: Attributes {
                rights: MemoryRights::RW,
                cache: Cache::Cached,
            },
            access: Access::NONE,
        };
        space.table.walk(page, 0).set_leaf(leaf, None);
    }
    let next = Link::empty();
    next.set(space.chunks.get());
    let chunk = Chunk {
        memory,
        address: block.start(),
        next,
    };
    space.chunks.set(Some(Handle::new(entry, chunk)));
    space.chunk_count.fetch_add(1, Ordering::Relaxed);
    Ok(())
}

/// The `T` at a user address, if it is aligned and lies inside one chunk.
pub fn find<T: Shared>(
    space: SpaceRef,
    mappings: &Mappings,
    address: u64,
) -> Option<SharedPointer<T>> {
    let _guard = mappings.tree.lock();
    let mut next = space.chunks.get();
    while let Some(chunk) = next {
        let offset = address.wrapping_sub(chunk.address);
        if offset < chunk.memory.size() as u64 {
            return chunk.memory.get(offset as usize);
        }
        next = chunk.next.get();
    }
    None
}

/// Frees a chunk of a space that is being destroyed; false if there are none left.
pub(super) fn remove_one<F>(space: SpaceRef, context: &Context<F>) -> bool {
    let Some(chunk) = space.chunks.get() else {
        return false;
    };
    space.chunks.set(chunk.next.get());
    let (chunk, entry) = Handle::into_parts(chunk, size_of::<Chunk>());
    let block = Block::new(chunk.address, chunk.memory.size().ilog2());
    for page in pages(block) {
        space
            .table
            .walk(page, 0)
            .entry()
            .clear(space.table.format());
    }
    context
        .heap
        .free_charged(space.quota, chunk.memory.into_storage());
    context.heap.free_charged(space.quota, entry);
    true
}

/// The addresses of the pages of a block.
fn pages(block: Block) -> impl Iterator<Item = u64> {
    (block.start()..=block.last()).step_by(FRAME_SIZE)
}
