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
use machine::memory::{FRAME_ORDER, FRAME_SIZE, Shared, SharedMemory, SharedPointer, Storage};
use machine::page_table::{Access, Attributes, Cache, Leaf};

use super::memory_space::SpaceRef;
use super::{Context, Mappings, Progress};
use crate::memory::OutOfMemory;

/// Orders that a chunk may have: 4 KiB to 128 KiB.
const ORDERS: core::ops::RangeInclusive<u32> = 12..=17;
/// Most chunks of a space, so that looking one up takes bounded time.
const MAX_CHUNKS: u64 = 1024;
/// Bytes that are cleared between two points where the operation may pause.
const CLEARED_AT_ONCE: usize = 8 * FRAME_SIZE;

/// A chunk of kernel-user memory. The pages have no node in the mapping tree.
pub(super) struct Chunk {
    /// A page of a device has none.
    memory: Option<SharedMemory>,
    address: u64,
    /// The chunk that was added before.
    next: Link<Chunk>,
}

/// Memory for the next chunk of a space, which is being cleared.
pub(super) struct Spare {
    storage: Storage,
    /// Bytes from its start that are clear.
    cleared: usize,
}

impl Spare {
    /// Clears a part; true if that was the last one.
    fn clear(&mut self) -> bool {
        let end = self.storage.size().min(self.cleared + CLEARED_AT_ONCE);
        self.storage.zero_part(self.cleared..end);
        self.cleared = end;
        end == self.storage.size()
    }
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

/// Goes on adding a chunk, filled with zeros: first its page tables are made, then its memory is
/// cleared, then it is mapped. Between two calls anything may happen to the space.
pub fn add<F>(
    space: SpaceRef,
    context: &Context<F>,
    flexpage: Flexpage,
) -> Result<Progress<()>, AddError> {
    let block = block_of(space, flexpage)?;
    let (heap, _guard) = (context.heap, context.mappings.tree.lock());
    check_room(space, block)?;
    let slot = space.table.walk(block.start(), 0);
    if slot.level() > 0 {
        space.deepen(heap, slot, block.start(), 0)?;
        return Ok(Progress::More);
    }
    let mut spare = space.spare.lock();
    let size = block.size() as usize;
    let of_size = |spare: &Spare| spare.storage.size() == size;
    let mut memory = match spare.take() {
        Some(memory) if of_size(&memory) => memory,
        other => {
            if let Some(Spare { storage, .. }) = other {
                heap.free_charged(space.quota, storage);
            }
            let storage = heap.allocate_charged(space.quota, size)?;
            Spare {
                storage,
                cleared: 0,
            }
        }
    };
    if !memory.clear() {
        *spare = Some(memory);
        return Ok(Progress::More);
    }
    map(space, context, block, Memory::Own(memory.storage))?;
    Ok(Progress::Done(()))
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
    let _guard = context.mappings.tree.lock();
    check_room(space, block)?;
    let slot = space.table.walk(block.start(), 0);
    space.deepen(context.heap, slot, block.start(), 0)?;
    Ok(map(space, context, block, Memory::Device(physical))?)
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

/// What a chunk shows.
enum Memory {
    Own(Storage),
    Device(PhysicalAddress),
}

/// Maps a chunk, whose tables are there. It is smaller than what a table maps.
fn map<F>(
    space: SpaceRef,
    context: &Context<F>,
    block: Block,
    memory: Memory,
) -> Result<(), OutOfMemory> {
    let heap = context.heap;
    let entry = heap.allocate_charged(space.quota, size_of::<Chunk>());
    let (entry, memory, start, cache) = match (entry, memory) {
        (Ok(entry), Memory::Device(start)) => (entry, None, start, Cache::Uncached),
        (Ok(entry), Memory::Own(storage)) => {
            let memory = SharedMemory::new(storage);
            let start = heap.window().physical(memory.address());
            (entry, Some(memory), start, Cache::Cached)
        }
        (Err(OutOfMemory), memory) => {
            if let Memory::Own(storage) = memory {
                heap.free_charged(space.quota, storage);
            }
            return Err(OutOfMemory);
        }
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
    if let Some(spare) = space.spare.lock().take() {
        context.heap.free_charged(space.quota, spare.storage);
    }
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
