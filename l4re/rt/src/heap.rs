//! The heap: dataspaces, attached as it grows, cut up by a buddy allocator. It never shrinks.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{self, NonNull};

use buddy_system_allocator::Heap;
use l4_abi::rights::CapabilityRights;
use l4_sys::{Result, Utcb};
use l4re::mem_alloc::DataspaceFlags;
use l4re::region_map::Flags;

use crate::env;
use crate::sync::Mutex;

/// Where the heap begins.
const START: u64 = 0x1_0000_0000;
/// Least growth, in bytes: small, because the memory of small components is.
const LEAST_GROWTH: u64 = 64 << 10;
/// Largest growth in anticipation; a larger allocation gets what it needs.
const LARGEST_GROWTH: u64 = 4 << 20;
/// Orders of the buddy allocator: blocks up to 2^40 bytes.
const ORDERS: usize = 41;

struct Growing {
    heap: Heap<ORDERS>,
    /// Where the next dataspace goes.
    next: u64,
}

/// The heap of this program.
struct ProgramHeap(Mutex<Growing>);

#[cfg_attr(target_os = "none", global_allocator)]
#[cfg_attr(
    not(target_os = "none"),
    expect(dead_code, reason = "programs of the host have theirs")
)]
static HEAP: ProgramHeap = ProgramHeap(Mutex::new(Growing {
    heap: Heap::new(),
    next: START,
}));

// SAFETY: the buddy allocator hands out disjoint blocks of memory that was added to it once, and
// the lock keeps threads apart.
unsafe impl GlobalAlloc for ProgramHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let mut growing = self.0.lock();
        if let Ok(block) = growing.heap.alloc(layout) {
            return block.as_ptr();
        }
        // The messages of growing must not disturb one that is being composed.
        if Utcb::current().preserve(|| growing.grow(layout)).is_err() {
            return ptr::null_mut();
        }
        growing
            .heap
            .alloc(layout)
            .map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if let Some(block) = NonNull::new(block) {
            // SAFETY: by the trait's contract the block came from `alloc` with this layout.
            unsafe { self.0.lock().heap.dealloc(block, layout) }
        }
    }
}

impl Growing {
    /// Adds memory for at least one block of this layout.
    fn grow(&mut self, layout: Layout) -> Result<()> {
        let size = growth(self.heap.stats_total_bytes() as u64, layout);
        let memory = env::mem_alloc();
        // If the quota has no room for a generous step, the least that helps may still fit.
        let (size, dataspace) = match memory.create_dataspace(size, DataspaceFlags::empty(), 0) {
            Ok(dataspace) => (size, dataspace),
            Err(_) => {
                let size = growth(0, layout);
                (
                    size,
                    memory.create_dataspace(size, DataspaceFlags::empty(), 0)?,
                )
            }
        };
        // Aligned to its size, it is one block for the allocator.
        let at = self.next.next_multiple_of(size);
        let passed = dataspace.pass(CapabilityRights::RW);
        let start = env::region_map().attach_at(at, passed, 0, size, Flags::RW)?;
        self.next = start + size;
        dataspace.leak();
        // SAFETY: the region is new, ours, and stays.
        unsafe {
            self.heap
                .add_to_heap(start as usize, (start + size) as usize)
        };
        Ok(())
    }
}

/// How much to add to `total` bytes for an allocation: a power of two, about a quarter more.
fn growth(total: u64, layout: Layout) -> u64 {
    let needed = layout.size().max(layout.align()) as u64;
    let wished = (total / 4).clamp(LEAST_GROWTH, LARGEST_GROWTH);
    needed
        .checked_next_power_of_two()
        .unwrap_or(u64::MAX)
        .max(wished.next_power_of_two())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_covers_the_allocation_and_stays_modest() {
        let layout = |size| Layout::from_size_align(size, 16).unwrap();
        assert_eq!(growth(0, layout(16)), LEAST_GROWTH);
        assert_eq!(growth(1 << 20, layout(16)), 256 << 10);
        assert_eq!(growth(1 << 30, layout(16)), LARGEST_GROWTH);
        assert_eq!(growth(0, layout(100_000)), 128 << 10);
        assert_eq!(growth(1 << 30, layout(10 << 20)), 16 << 20);
        let aligned = Layout::from_size_align(16, 1 << 20).unwrap();
        assert_eq!(growth(0, aligned), 1 << 20);
    }
}
