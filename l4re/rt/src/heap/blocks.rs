//! Blocks of 2^n bytes at multiples of their size: a buddy system, whose free blocks are lists through
//! themselves.
//!
//! Blocks are named by their addresses. A free one is used by nobody else, and its first word is the
//! address of the next free block of its size, or 0.

/// Orders of blocks, from that of a word, which is the least.
const ORDERS: usize = LARGEST as usize + 1;
/// The largest order: 2^40 bytes.
pub(super) const LARGEST: u32 = 40;

/// The free blocks.
pub(super) struct Blocks {
    /// The first free block of each order, or 0.
    first: [usize; ORDERS],
}

impl Blocks {
    /// No memory yet.
    pub(super) const fn new() -> Self {
        Self { first: [0; ORDERS] }
    }

    /// A block of 2^`order` bytes, or more if that is less than a word; nothing is told of its contents.
    pub(super) fn take(&mut self, order: u32) -> Option<usize> {
        let order = (order as usize).max(size_of::<usize>().ilog2() as usize);
        let mut from = (order..ORDERS).find(|&order| self.first[order] != 0)?;
        let block = self.first[from];
        // SAFETY: the block is free, so its first word is ours.
        self.first[from] = unsafe { *link(block) };
        while from > order {
            from -= 1;
            self.push(block + (1 << from), from);
        }
        Some(block)
    }

    /// Adds a block, and joins it with its buddies.
    ///
    /// # Safety
    ///
    /// The block can be written, is a multiple of its size, and nobody uses it: it came from
    /// [`take`](Self::take) with the same order, or was never added. The order is at most [`LARGEST`].
    pub(super) unsafe fn give(&mut self, mut block: usize, order: u32) {
        let mut order = (order as usize).max(size_of::<usize>().ilog2() as usize);
        while order + 1 < ORDERS && self.remove(block ^ (1 << order), order) {
            block &= !(1 << order);
            order += 1;
        }
        self.push(block, order);
    }

    fn push(&mut self, block: usize, order: usize) {
        // SAFETY: the block is about to be free, so its first word is ours.
        unsafe { *link(block) = self.first[order] };
        self.first[order] = block;
    }

    /// Whether this block was free; then it is no longer.
    fn remove(&mut self, block: usize, order: usize) -> bool {
        let mut at: *mut usize = &mut self.first[order];
        // SAFETY: all that is on the list is free, and nobody else changes the list meanwhile.
        unsafe {
            while *at != 0 && *at != block {
                at = link(*at);
            }
            let found = *at != 0;
            if found {
                *at = *link(block);
            }
            found
        }
    }
}

/// Where the link of a free block is.
fn link(block: usize) -> *mut usize {
    core::ptr::with_exposed_provenance_mut(block)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::alloc::{Layout, alloc, dealloc};

    const ORDER: u32 = 12;

    /// Runs a test with one block of 2^[`ORDER`] bytes.
    fn with_memory(test: impl FnOnce(&mut Blocks, usize)) {
        let layout = Layout::from_size_align(1 << ORDER, 1 << ORDER).unwrap();
        // SAFETY: the layout has a size.
        let memory = unsafe { alloc(layout) };
        let mut blocks = Blocks::new();
        // SAFETY: the memory is new, and aligned to its size.
        unsafe { blocks.give(memory.expose_provenance(), ORDER) };
        test(&mut blocks, memory.addr());
        // SAFETY: as allocated above.
        unsafe { dealloc(memory, layout) };
    }

    #[test]
    fn blocks_are_disjoint_aligned_and_all_there_is() {
        with_memory(|blocks, memory| {
            let orders = [3, 7, 0, 5, 10, 4, 3, 11, 8];
            let mut taken: Vec<(usize, usize)> = vec![];
            for order in orders {
                let size = 1 << order.max(3);
                let block = blocks.take(order).unwrap();
                assert!(block.is_multiple_of(size));
                assert!(block >= memory && block + size <= memory + (1 << ORDER));
                let apart = |&(other, length): &(usize, usize)| {
                    block + size <= other || other + length <= block
                };
                assert!(taken.iter().all(apart));
                taken.push((block, size));
            }
            while let Some(block) = blocks.take(0) {
                taken.push((block, 8));
            }
            let all: usize = taken.iter().map(|(_, size)| size).sum();
            assert_eq!(all, 1 << ORDER);
        });
    }

    #[test]
    fn buddies_join_again_in_whatever_order_they_come_back() {
        with_memory(|blocks, memory| {
            for step in [1, 3, 7, 255] {
                let mut taken: Vec<usize> = core::iter::from_fn(|| blocks.take(4)).collect();
                assert_eq!(taken.len(), 256);
                taken.sort_unstable();
                for place in 0..256 {
                    let block = taken[place * step % 256];
                    // SAFETY: taken above, and given back once: the step is odd.
                    unsafe { blocks.give(block, 4) };
                }
                assert_eq!(blocks.take(ORDER), Some(memory));
                // SAFETY: just taken.
                unsafe { blocks.give(memory, ORDER) };
            }
        });
    }

    #[test]
    fn what_is_larger_than_all_memory_is_refused() {
        with_memory(|blocks, memory| {
            for order in [ORDER + 1, ORDERS as u32, 63] {
                assert_eq!(blocks.take(order), None);
            }
            assert_eq!(blocks.take(ORDER), Some(memory));
            assert_eq!(blocks.take(0), None);
        });
    }
}
