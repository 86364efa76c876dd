//! A buddy system over frame numbers, for whoever has memory to hand out: the kernel its own, moe the users'.
//!
//! A block of order n is 2^n frames at a multiple of 2^n. For each order there is the set of free
//! blocks; allocation takes the first one that is large enough and splits it, freeing joins a
//! block with its buddy as long as that is free. Both take a few steps for each order, however
//! fragmented memory is. Free memory itself is not touched, and how blocks were cut is not remembered: a
//! large one may come back frame by frame.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

mod bit_tree;

use core::ops::DerefMut;

use bit_tree::BitTree;

/// Largest order of a block: 1 GiB.
pub const MAX_ORDER: u32 = 18;
const ORDERS: usize = MAX_ORDER as usize + 1;

/// The free frames. `W` is where the books are.
#[derive(Debug)]
pub struct Buddy<W> {
    orders: [BitTree; ORDERS],
    words: W,
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

/// Words that the books on `frames` frames take.
pub fn words_needed(frames: usize) -> usize {
    layout(frames).1
}

impl<W: DerefMut<Target = [u64]>> Buddy<W> {
    /// Books on `frames` frames, none of them free yet; there are [`words_needed`] `words`, all zero.
    pub fn new(words: W, frames: usize) -> Self {
        Self {
            orders: layout(frames).0,
            words,
            available: 0,
            free: 0,
            frames,
        }
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

    /// Gives back `count` frames from `first` on.
    pub fn free_range(&mut self, mut first: usize, mut count: usize) {
        let end = first.checked_add(count);
        assert!(end.is_some_and(|end| end <= self.frames));
        while count > 0 {
            let fits = count.ilog2().min(MAX_ORDER);
            let order = first.trailing_zeros().min(fits);
            self.free(first, order);
            first += 1 << order;
            count -= 1 << order;
        }
    }

    /// The free block that a frame is in: its order and its number among the blocks of that order.
    pub fn block_with(&self, frame: usize) -> Option<(u32, usize)> {
        let mut blocks = (0..=MAX_ORDER).map(|order| (order, frame >> order));
        blocks.find(|&(order, block)| self.orders[order as usize].contains(&self.words, block))
    }

    /// Takes this block, which is free.
    pub fn take(&mut self, order: u32, block: usize) {
        self.remove(block, order);
        self.free -= 1 << order;
    }

    fn insert(&mut self, block: usize, order: u32) {
        self.orders[order as usize].insert(&mut self.words, block);
        self.available |= 1 << order;
    }

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
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    fn with_frames(first_free: usize, frames: usize, test: impl FnOnce(&mut Buddy<Vec<u64>>)) {
        let mut buddy = Buddy::new(vec![0; words_needed(frames)], frames);
        buddy.free_range(first_free, frames - first_free);
        test(&mut buddy);
    }

    #[test]
    fn a_block_may_come_back_in_pieces() {
        with_frames(0, 64, |frames| {
            assert_eq!(frames.allocate(6), Some(0));
            frames.free_range(1, 63);
            assert_eq!(frames.allocate(6), None);
            frames.free_range(0, 1);
            assert_eq!(frames.allocate(6), Some(0));
        });
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
