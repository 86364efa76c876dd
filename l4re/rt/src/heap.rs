//! The heap: memory that is added as it grows, cut up by a buddy system. It never shrinks.

mod blocks;

use core::alloc::{GlobalAlloc, Layout};
use core::ptr;

use l4_abi::error::ResultCode;
use l4_sys::{Result, Utcb};

use crate::env;
use crate::sync::Mutex;
use blocks::Blocks;

/// Where the heap begins.
const START: u64 = 0x1_0000_0000;
/// Least growth, in bytes: small, because the memory of small components is.
const LEAST_GROWTH: u64 = 64 << 10;
/// Largest growth in anticipation; a larger allocation gets what it needs.
const LARGEST_GROWTH: u64 = 4 << 20;

struct Growing {
    blocks: Blocks,
    /// Bytes that were added.
    total: u64,
    /// Where more is to go.
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
    blocks: Blocks::new(),
    total: 0,
    next: START,
}));

// SAFETY: the buddy system hands out disjoint blocks of memory that was added to it once, and
// the lock keeps threads apart.
unsafe impl GlobalAlloc for ProgramHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let mut growing = self.0.lock();
        let order = block_size(layout).ilog2();
        let block = growing.blocks.take(order).or_else(|| {
            // The messages of growing must not disturb one that is being composed.
            let grown = Utcb::current().preserve(|| growing.grow(layout));
            grown.ok().and_then(|()| growing.blocks.take(order))
        });
        block.map_or(ptr::null_mut(), ptr::with_exposed_provenance_mut)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let order = block_size(layout).ilog2();
        // SAFETY: by the trait's contract the block came from `alloc` with this layout.
        unsafe { self.0.lock().blocks.give(block.expose_provenance(), order) }
    }
}

/// The size of the block for an allocation: a power of two, and so its alignment as well.
fn block_size(layout: Layout) -> u64 {
    let size = layout.size().max(layout.align()) as u64;
    size.next_power_of_two()
}

impl Growing {
    /// Adds memory for at least one block of this layout.
    fn grow(&mut self, layout: Layout) -> Result<()> {
        if block_size(layout) > 1 << blocks::LARGEST {
            return Err(ResultCode::ENOMEM.into());
        }
        let place = env::place().ok_or(ResultCode::ENOMEM)?;
        // Aligned to its size, it is one block.
        let grow = |size: u64| (place.grow)(self.next.next_multiple_of(size), size);
        let mut size = growth(self.total, layout);
        // If the quota has no room for a generous step, the least that helps may still fit.
        let start = grow(size).or_else(|_| {
            size = growth(0, layout);
            grow(size)
        })?;
        self.next = start + size;
        self.total += size;
        // SAFETY: the region is new, ours, and stays.
        unsafe { self.blocks.give(start as usize, size.ilog2()) };
        Ok(())
    }
}

/// How much to add after `total` bytes for an allocation: a power of two, about a quarter more.
fn growth(total: u64, layout: Layout) -> u64 {
    let wished = (total / 4).clamp(LEAST_GROWTH, LARGEST_GROWTH);
    block_size(layout).max(wished.next_power_of_two())
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
