//! Memory spaces: what user mode of a task, or a VM, can access.
//!
//! A space is a page table in which each page has a node of the mapping tree beside it. Pages
//! without a node are kernel-user memory: they never move and are not mapped on. The space of the
//! first task is special: it has all memory there is, at its physical address, so whatever is
//! mapped from it is made up on the spot; these pages are the roots of the tree.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use l4_abi::rights::MemoryRights;
use machine::address::PhysicalAddress;
use machine::entry_format::Format;
use machine::handle::{Handle, Link};
use machine::lock::Lock;
use machine::page_table::{
    Access, Attributes, Cache, Content, HIGHEST_LEAF, Leaf, Level, Next, PageTable, Slot, order_of,
    size_of_page,
};
use machine::tlb::Residence;

use super::Mappings;
use super::kernel_user_memory::{Chunk, Spare};
use super::tree::{Node, Place};
use crate::memory::quota::QuotaRef;
use crate::memory::{KernelHeap, OutOfMemory};

/// The page table of a space.
pub(super) type Table = PageTable<Node>;
/// An entry of it.
pub(super) type SpaceSlot<'a> = Slot<'a, Node>;

/// A reference to a space, good until it is [torn down](super::teardown).
pub type SpaceRef = Handle<MemorySpace>;

/// A memory space.
pub struct MemorySpace {
    pub(super) table: Table,
    pub(super) quota: QuotaRef,
    pub(super) chunks: Link<Chunk>,
    pub(super) chunk_count: AtomicU64,
    pub(super) spare: Lock<Option<Spare>>,
    is_physical: bool,
    closed: AtomicBool,
    pub(super) residence: Residence,
}

/// Gives the first task the page at `address`, at which it faulted. False if there is no such
/// memory.
pub fn handle_root_fault(
    space: SpaceRef,
    heap: &KernelHeap,
    mappings: &Mappings,
    address: u64,
) -> Result<bool, OutOfMemory> {
    let _guard = mappings.tree.lock();
    make_root_page(space, heap, address)
}

impl MemorySpace {
    /// An empty space that `quota` pays for; one that `is_physical` has all memory there is, as the
    /// first task's. `prepare` may fill in the part of the root table
    /// that is not the user's.
    pub fn new(
        heap: &KernelHeap,
        quota: QuotaRef,
        format: Format,
        is_physical: bool,
        prepare: impl FnOnce(&mut [u64]),
    ) -> Result<SpaceRef, OutOfMemory> {
        let storage = heap.allocate_charged(quota, size_of::<MemorySpace>())?;
        let root = match heap.allocate_charged(quota, Table::root_size(&format)) {
            Ok(root) => root,
            Err(OutOfMemory) => {
                heap.free_charged(quota, storage);
                return Err(OutOfMemory);
            }
        };
        let space = MemorySpace {
            table: PageTable::new(format, heap.window(), root, prepare),
            quota,
            chunks: Link::empty(),
            chunk_count: AtomicU64::new(0),
            spare: Lock::new(None),
            is_physical,
            closed: AtomicBool::new(false),
            residence: Residence::new(),
        };
        Ok(Handle::new(storage, space))
    }

    /// What hardware walks.
    pub fn root(&self) -> PhysicalAddress {
        self.table.root()
    }

    /// The last address that can be mapped.
    pub fn last_address(&self) -> u64 {
        (1 << self.table.format().address_bits()) - 1
    }

    /// Which CPUs may remember something of the space.
    pub fn residence(&self) -> &Residence {
        &self.residence
    }

    /// The quota that pays for the space.
    pub fn quota(&self) -> QuotaRef {
        self.quota
    }

    /// From now on nothing is mapped to or from here.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Whether [`MemorySpace::close`] was called.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Whether all physical memory is here.
    pub fn is_physical(&self) -> bool {
        self.is_physical
    }

    /// The pages between two addresses: where each starts, and the binary logarithm of its size.
    pub fn pages_in(&self, mut from: u64, last: u64) -> impl Iterator<Item = (u64, u32)> {
        core::iter::from_fn(move || {
            loop {
                match self.table.next_leaf(from, last) {
                    Next::Leaf(start, _, slot) => {
                        from = start + size_of_page(slot.level());
                        return Some((start, order_of(slot.level())));
                    }
                    Next::Continue(address) => from = address,
                    Next::End => return None,
                }
            }
        })
    }

    /// The entry for `address` in `level`, after making the tables down to there. The walk so
    /// far ended at an empty entry, `slot`.
    #[inline(always)]
    pub(super) fn deepen<'a>(
        &'a self,
        heap: &KernelHeap,
        slot: SpaceSlot<'a>,
        address: u64,
        level: Level,
    ) -> Result<SpaceSlot<'a>, OutOfMemory> {
        if slot.level() == level {
            Ok(slot)
        } else {
            self.make_tables(heap, slot, address, level)
        }
    }

    fn make_tables<'a>(
        &'a self,
        heap: &KernelHeap,
        mut slot: SpaceSlot<'a>,
        address: u64,
        level: Level,
    ) -> Result<SpaceSlot<'a>, OutOfMemory> {
        while slot.level() > level {
            let size = Table::table_size(slot.level() - 1);
            slot = slot.attach_table(heap.allocate_charged(self.quota, size)?, address);
        }
        Ok(slot)
    }
}

/// Makes up the page at an address of the first task's space, in the largest size that fits,
/// unless something is there. False if there is no such memory.
pub(super) fn make_root_page(
    space: SpaceRef,
    heap: &KernelHeap,
    address: u64,
) -> Result<bool, OutOfMemory> {
    let format = space.table.format();
    let bits = format.physical_bits().min(format.address_bits());
    if !space.is_physical() || address >> bits != 0 {
        return Ok(false);
    }
    let slot = space.table.walk(address, 0);
    if slot.content() != Content::Empty {
        return Ok(true);
    }
    let level = slot.level().min(HIGHEST_LEAF);
    let slot = space.deepen(heap, slot, address, level)?;
    let start = address & !(size_of_page(level) - 1);
    let storage = heap.allocate_charged(space.quota, size_of::<Node>())?;
    let node = Handle::new(
        storage,
        Node::page(space, slot.entry(), Place::new(start, level, 0)),
    );
    let leaf = Leaf {
        memory: PhysicalAddress::new(start),
        attributes: Attributes {
            rights: MemoryRights::RWX,
            cache: Cache::Cached,
        },
        access: Access::NONE,
    };
    slot.set_leaf(leaf, Some(node));
    Ok(true)
}
