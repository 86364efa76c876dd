//! Kernel-user memory: UTCB areas and vCPU states. Kernel memory that a task sees, at an address
//! that it chose, for as long as the task exists: nobody can unmap it or map it on. A page of a
//! device that the kernel gives to a task is like that, too.
//!
//! Source: `abi/02` (general layout, UTCB areas), `abi/05` (Task add_ku_mem).

use core::sync::atomic::Ordering;

use l4_abi::error::ResultCode;
use l4_abi::flexpage::{Block, Flexpage, Space};
use l4_abi::rights::MemoryRights;
use machine::address::PhysicalAddress;
use machine::handle::{Handle, Link};
use machine::memory::{FRAME_ORDER, FRAME_SIZE, Shared, SharedMemory, SharedPointer, Storage};
use machine::page_table::{Access, Attributes, Cache, Leaf};

use super::Mappings;
use super::memory_space::SpaceRef;
use crate::memory::{KernelHeap, OutOfMemory};

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

/// Goes on adding a chunk, filled with zeros: first its page tables are made, then its memory is
/// cleared, then it is mapped. `None`: there is more to do. Between two calls anything may happen
/// to the space.
///
/// # Errors
/// - EINVAL: The flexpage has the wrong type or size, or is not in the user's part of the space.
/// - EEXIST: Something is mapped there.
/// - ENOMEM: There is no memory for it.
pub fn add(
    space: SpaceRef,
    heap: &KernelHeap,
    mappings: &Mappings,
    flexpage: Flexpage,
) -> Result<Option<()>, ResultCode> {
    let block = block_of(space, flexpage, flexpage.order())?;
    let _guard = mappings.tree.lock();
    check_room(space, block)?;
    let slot = space.table.walk(block.start(), 0);
    if slot.level() > 0 {
        space.deepen(heap, slot, block.start(), 0)?;
        return Ok(None);
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
        return Ok(None);
    }
    let memory = SharedMemory::new(memory.storage);
    let start = heap.window().physical(memory.address());
    let shown = (start, Cache::Cached);
    Ok(Some(map(space, heap, block, shown, Some(memory))?))
}

/// Where [`add`] adds memory for `flexpage`: an answer, without rights.
pub fn area(flexpage: Flexpage) -> Flexpage {
    let block = Block::new(flexpage.address(), flexpage.order());
    Flexpage::memory(block.start(), block.order(), MemoryRights::empty())
}

/// Adds the page of a device at `physical`, where the flexpage begins.
///
/// # Errors
/// As [`add`].
pub fn add_device(
    space: SpaceRef,
    heap: &KernelHeap,
    mappings: &Mappings,
    flexpage: Flexpage,
    physical: PhysicalAddress,
) -> Result<(), ResultCode> {
    if flexpage.order() < FRAME_ORDER {
        return Err(ResultCode::EINVAL);
    }
    let block = block_of(space, flexpage, FRAME_ORDER)?;
    let _guard = mappings.tree.lock();
    check_room(space, block)?;
    let slot = space.table.walk(block.start(), 0);
    space.deepen(heap, slot, block.start(), 0)?;
    Ok(map(space, heap, block, (physical, Cache::Uncached), None)?)
}

/// The block of this order where the flexpage is, if a chunk can be there.
fn block_of(space: SpaceRef, flexpage: Flexpage, order: u32) -> Result<Block, ResultCode> {
    if flexpage.space() != Some(Space::Memory) || !ORDERS.contains(&order) {
        return Err(ResultCode::EINVAL);
    }
    let block = Block::new(flexpage.address(), order);
    let is_inside = block.last() <= space.last_address();
    is_inside.then_some(block).ok_or(ResultCode::EINVAL)
}

/// Whether there is room for a chunk now.
fn check_room(space: SpaceRef, block: Block) -> Result<(), ResultCode> {
    if space.pages_in(block.start(), block.last()).next().is_some() {
        return Err(ResultCode::EEXIST);
    }
    if space.is_closed() || space.chunk_count.load(Ordering::Relaxed) >= MAX_CHUNKS {
        return Err(ResultCode::ENOMEM);
    }
    Ok(())
}

/// Maps a chunk of memory from `start` on, whose tables are there. It is smaller than what a table
/// maps.
fn map(
    space: SpaceRef,
    heap: &KernelHeap,
    block: Block,
    (start, cache): (PhysicalAddress, Cache),
    memory: Option<SharedMemory>,
) -> Result<(), OutOfMemory> {
    let Ok(entry) = heap.allocate_charged(space.quota, size_of::<Chunk>()) else {
        if let Some(memory) = memory {
            heap.free_charged(space.quota, memory.into_storage());
        }
        return Err(OutOfMemory);
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
    let chunk = Chunk {
        memory,
        address: block.start(),
        next: Link::empty(),
    };
    chunk.next.set(space.chunks.get());
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
pub(super) fn remove_one(space: SpaceRef, heap: &KernelHeap) -> bool {
    if let Some(spare) = space.spare.lock().take() {
        heap.free_charged(space.quota, spare.storage);
    }
    let Some(chunk) = space.chunks.get() else {
        return false;
    };
    space.chunks.set(chunk.next.get());
    let (chunk, entry) = Handle::into_parts(chunk, size_of::<Chunk>());
    let size = chunk.memory.as_ref().map_or(FRAME_SIZE, SharedMemory::size);
    let block = Block::new(chunk.address, size.ilog2());
    for page in pages(block) {
        let slot = space.table.walk(page, 0);
        slot.entry().clear(space.table.format());
    }
    if let Some(memory) = chunk.memory {
        heap.free_charged(space.quota, memory.into_storage());
    }
    heap.free_charged(space.quota, entry);
    true
}

/// The addresses of the pages of a block.
fn pages(block: Block) -> impl Iterator<Item = u64> {
    (block.start()..=block.last()).step_by(FRAME_SIZE)
}
