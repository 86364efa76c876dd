//! The frame allocator: a buddy system over frame numbers.
//!
//! A block of order n is 2^n frames at a multiple of 2^n. For each order there is the set of free
//! blocks; allocation takes the first one that is large enough and splits it, freeing joins a
//! block with its buddy as long as that is free. Both take a few steps for each order, however
//! fragmented memory is. Free memory itself is not touched.

use machine::memory::KernelSlice;

use super::bit_tree::BitTree;

/// Largest order of a block: 1 GiB.
pub const MAX_ORDER: u32 = 18;
const ORDERS: usize = MAX_ORDER as usize + 1;

/// The free frames.
pub struct Frames {
    orders: [BitTree; ORDERS],
    words: KernelSlice<u64>,
    /// Bit n: there is a free block of order n.
    available: u32,
    free: usize,
    frames: usize,
}

/// The sets for `frames` frames, and the number of words they take.
fn layout(frames: usize) -> ([BitTree; ORDERS], usize) {
    let mut next = 0;
    let orders = core::array::from_fn(|order| {
        let tree;
        (tree, next) = BitTree::new(frames >> order, next);
        tree
    });
    (orders, next)
}

impl Frames {
    /// Bytes that the books on `frames` frames take.
    pub fn size_of_books(frames: usize) -> usize {
        layout(frames).1 * size_of::<u64>()
    }

    /// The frames `first_free` to `frames` - 1 are free; `words` are zero and of
    /// [`Frames::size_of_books`].
    pub fn new(words: KernelSlice<u64>, first_free: usize, frames: usize) -> Frames {
        let mut this = Frames {
            orders: layout(frames).0,
            words,
            available: 0,
            free: 0,
            frames,
        };
        let mut frame = first_free;
        while frame < frames {
            let fits = (frames - frame).ilog2();
            let order = frame.trailing_zeros().min(fits).min(MAX_ORDER);
            this.free(frame, order);
            frame += 1 << order;
        }
        this
    }

    /// Number of free frames.
    pub fn available(&self) -> usize {
        self.free
    }

    /// Takes a block; its first frame.
    pub fn allocate(&mut self, order: u32) -> Option<usize> {
        let large_enough = self.available.checked_shr(order)?;
        if large_enough == 0 {
            return None;
        }
        let mut from = order + large_enough.trailing_zeros();
        let mut block = self.orders[from as usize].first(&self.words)?;
        self.remove(block, from);
        while from > order {
            from -= 1;
            block *= 2;
            self.insert(block + 1, from);
        }
        self.free -= 1 << order;
        Some(block << order)
    }

    /// Gives a block back.
    pub fn free(&mut self, frame: usize, mut order: u32) {
        debug_assert!(frame.is_multiple_of(1 << order) && frame + (1 << order) <= self.frames);
        self.free += 1 << order;
        let mut block = frame >> order;
        debug_assert!(
            !self.orders[order as usize].contains(&self.words, block),
            "freed twice"
        );
        while order < MAX_ORDER && self.orders[order as usize].contains(&self.words, block ^ 1) {
            self.remove(block ^ 1, order);
            block /= 2;
            order += 1;
        }
        self.insert(block, order);
    }

    #[inline]
    fn insert(&mut self, block: usize, order: u32) {
        self.orders[order as usize].insert(&mut self.words, block);
        self.available |= 1 << order;
    }

    #[inline]
    fn remove(&mut self, block: usize, order: u32) {
        let tree = &self.orders[order as usize];
        tree.remove(&mut self.words, block);
        if tree.is_empty(&self.words) {
            self.available &= !(1 << order);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use machine::address::PhysicalAddress;
    use machine::memory::{FRAME_SIZE, KernelMemory};
    use proptest::prelude::*;

    fn with_frames(first_free: usize, frames: usize, test: impl FnOnce(&mut Frames)) {
        let size = Frames::size_of_books(frames);
        let memory = KernelMemory::hosted(PhysicalAddress::new(0), size.div_ceil(FRAME_SIZE));
        let words = KernelSlice::new(memory.claim(0, size), 0);
        test(&mut Frames::new(words, first_free, frames));
    }

    #[test]
    fn every_frame_can_be_had_once() {
        with_frames(3, 1000, |frames| {
            let mut seen = vec![false; 1000];
            while let Some(frame) = frames.allocate(0) {
                assert!(frame >= 3 && !seen[frame]);
                seen[frame] = true;
            }
            assert_eq!(seen.iter().filter(|&&seen| seen).count(), 997);
            assert_eq!(frames.available(), 0);
        });
    }

    #[test]
    fn impossible_orders_are_refused() {
        with_frames(0, 1000, |frames| {
            assert_eq!(frames.allocate(10), None);
            assert_eq!(frames.allocate(MAX_ORDER + 1), None);
            assert_eq!(frames.allocate(u32::MAX), None);
            assert_eq!(frames.allocate(9), Some(0));
        });
    }

    #[test]
    fn freed_neighbours_join() {
        with_frames(0, 1024, |frames| {
            let blocks: Vec<usize> = core::iter::from_fn(|| frames.allocate(0)).collect();
            assert_eq!(blocks.len(), 1024);
            for frame in blocks
                .iter()
                .rev()
                .step_by(2)
                .chain(blocks.iter().rev().skip(1).step_by(2))
            {
                frames.free(*frame, 0);
            }
            assert_eq!(frames.allocate(10), Some(0));
        });
    }

    proptest! {
        #[test]
        fn blocks_are_disjoint_and_come_back_whole(
            first_free in 0_usize..100,
            length in 1_usize..3000,
            steps in prop::collection::vec(
                (0_u32..8, any::<bool>(), any::<prop::sample::Index>()), 1..200),
        ) {
            let total = first_free + length;
            with_frames(first_free, total, |frames| {
                let mut owned = vec![false; total];
                let mut blocks: Vec<(usize, u32)> = Vec::new();
                for (order, allocate, index) in steps {
                    if allocate || blocks.is_empty() {
                        if let Some(frame) = frames.allocate(order) {
                            assert!(frame >= first_free && frame.is_multiple_of(1 << order));
                            for taken in &mut owned[frame..frame + (1 << order)] {
                                assert!(!*taken);
                                *taken = true;
                            }
                            blocks.push((frame, order));
                        }
                    } else {
                        let (frame, order) = blocks.swap_remove(index.index(blocks.len()));
                        owned[frame..frame + (1 << order)].fill(false);
                        frames.free(frame, order);
                    }
                    let taken: usize = blocks.iter().map(|(_, order)| 1 << order).sum();
                    assert_eq!(frames.available(), length - taken);
                }
                for (frame, order) in blocks {
                    frames.free(frame, order);
                }
                // Nothing stays split: the largest aligned block is there again.
                let largest = (0..=MAX_ORDER).rev().find(|order| {
                    first_free.next_multiple_of(1 << order) + (1 << order) <= total
                });
                assert!(frames.allocate(largest.unwrap()).is_some());
            });
        }
    }
}
