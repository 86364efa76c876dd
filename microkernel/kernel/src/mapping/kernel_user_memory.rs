//! Kernel-user memory: UTCB areas and vCPU states. Kernel memory that a task sees, at an address
//! that it chose, for as long as the task exists: nobody can unmap it or map it on. A page of a
//! device that the kernel gives to a task is like that, too.
//!
//! Source: `abi/02` (general layout, UTCB areas), `abi/05` (Task add_ku_mem).

use core::sync::atomic::Ordering;

use l4_abi::flexpage::{Block, Flexpage, Space};
use l4_abi::rights::MemoryRights;
use machine::address::PhysicalAddress;
use machine::handle::{Handle, Link};
use machine::memory::{FRAME_ORDER, FRAME_SIZE, Shared, SharedMemory, SharedPointer};
use machine::page_table::{Access, Attributes, Cache, Leaf};

use super::memory_space::SpaceRef;
use super::{Context, Mappings};
use crate::memory::OutOfMemory;

/// Orders that a chunk may have: 4 KiB to 128 KiB.
const ORDERS: core::ops::RangeInclusive<u32> = 12..=17;
/// Most chunks of a space, so that looking one up takes bounded time.
const MAX_CHUNKS: u64 = 1024;

/// A chunk of kernel-user memory. The pages have no node in the mapping tree.
pub(super) struct Chunk {
    /// A page of a device has none.
    memory: Option<SharedMemory>,
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

/// Makes the page tables that a chunk needs, which with clearing the chunk would take long.
pub fn prepare<F>(
    space: SpaceRef,
    context: &Context<F>,
    flexpage: Flexpage,
) -> Result<(), AddError> {
    let block = block_of(space, flexpage)?;
    let _guard = context.mappings.tree.lock();
    check_room(space, block)?;
    Ok(make_tables(space, context, block)?)
}

/// Adds a chunk, filled with zeros. The flexpage that comes back says where it is.
pub fn add<F>(
    space: SpaceRef,
    context: &Context<F>,
    flexpage: Flexpage,
) -> Result<Flexpage, AddError> {
    let block = block_of(space, flexpage)?;
    add_block(space, context, block, None)?;
    Ok(Flexpage::memory(
        block.start(),
        flexpage.order(),
        MemoryRights::empty(),
    ))
}

/// Where a chunk is to be.
fn block_of(space: SpaceRef, flexpage: Flexpage) -> Result<Block, AddError> {
    let order = flexpage.order();
    if flexpage.space() != Some(Space::Memory) || !ORDERS.contains(&order) {
        return Err(AddError::Invalid);
    }
    let block = Block::new(flexpage.address(), order);
    if block.last() > space.last_address() {
        return Err(AddError::Invalid);
    }
    Ok(block)
}

/// Adds the page of a device at `physical`, where the flexpage begins.
pub fn add_device<F>(
    space: SpaceRef,
    context: &Context<F>,
    flexpage: Flexpage,
    physical: PhysicalAddress,
) -> Result<(), AddError> {
    if flexpage.space() != Some(Space::Memory) || flexpage.order() < FRAME_ORDER {
        return Err(AddError::Invalid);
    }
    let block = Block::new(flexpage.address(), FRAME_ORDER);
    if block.last() > space.last_address() {
        return Err(AddError::Invalid);
    }
    add_block(space, context, block, Some(physical))
}

fn add_block<F>(
    space: SpaceRef,
    context: &Context<F>,
    block: Block,
    device: Option<PhysicalAddress>,
) -> Result<(), AddError> {
    let _guard = context.mappings.tree.lock();
    check_room(space, block)?;
    Ok(add_checked(space, context, block, device)?)
}

/// Whether a chunk could be there.
fn check_room(space: SpaceRef, block: Block) -> Result<(), AddError> {
    if space.pages_in(block.start(), block.last()).next().is_some() {
        return Err(AddError::Occupied);
    }
    if space.is_closed() || space.chunk_count.load(Ordering::Relaxed) >= MAX_CHUNKS {
        return Err(AddError::OutOfMemory);
    }
    Ok(())
}

/// A chunk is smaller than what a table maps.
fn make_tables<F>(space: SpaceRef, context: &Context<F>, block: Block) -> Result<(), OutOfMemory> {
    let (heap, start) = (context.heap, block.start());
    space.deepen(heap, space.table.walk(start, 0), start, 0)?;
    Ok(())
}

fn add_checked<F>(
    space: SpaceRef,
    context: &Context<F>,
    block: Block,
    device: Option<PhysicalAddress>,
) -> Result<(), OutOfMemory> {
    make_tables(space, context, block)?;
    let heap = context.heap;
    let entry = heap.allocate_charged(space.quota, size_of::<Chunk>())?;
    let (memory, start, cache) = match device {
        Some(start) => (None, start, Cache::Uncached),
        None => match heap.allocate_charged(space.quota, block.size() as usize) {
            Ok(storage) => {
                let memory = SharedMemory::new(storage);
                let start = heap.window().physical(memory.address());
                (Some(memory), start, Cache::Cached)
            }
            Err(OutOfMemory) => {
                heap.free_charged(space.quota, entry);
                return Err(OutOfMemory);
            }
        },
    };
    for page in pages(block) {
        let leaf = Leaf {
            memory: start.offset(page - block.start()),
            attributes: Attributes {
                rights: MemoryRights::RW,
                cache,
            },
            access: Access::NONE,
        };
        space.table.walk_to_page(page).set_leaf(leaf, None);
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
        if let Some(memory) = &chunk.memory
            && offset < memory.size() as u64
        {
            return memory.get(offset as usize);
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
    let size = chunk.memory.as_ref().map_or(FRAME_SIZE, SharedMemory::size);
    let block = Block::new(chunk.address, size.ilog2());
    for page in pages(block) {
        space
            .table
            .walk(page, 0)
            .entry()
            .clear(space.table.format());
    }
    if let Some(memory) = chunk.memory {
        let storage = memory.into_storage();
        context.heap.free_charged(space.quota, storage);
    }
    context.heap.free_charged(space.quota, entry);
    true
}

/// The addresses of the pages of a block.
fn pages(block: Block) -> impl Iterator<Item = u64> {
    (block.start()..=block.last()).step_by(FRAME_SIZE)
}
