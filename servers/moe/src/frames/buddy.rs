//! A buddy allocator over one stretch of page frames, its free lists as bit sets.
//!
//! A block of order n is 2^n frames on a boundary of its size. Taking and giving back a block
//! costs O(log frames). The allocator does not remember how blocks were cut: who gives back says
//! what, in any split, so a large block may come back frame by frame.

use super::bit_tree::BitTree;

/// Orders 0 (4 KiB) to 18 (1 GiB).
pub(super) const ORDERS: usize = 19;

/// The allocator. Frames are numbered from 0; what that is in memory, its owner knows.
#[derive(Debug)]
pub(super) struct Buddy<'memory> {
    free: [Option<BitTree<'memory>>; ORDERS],
    frames: usize,
    free_frames: usize,
}

impl<'memory> Buddy<'memory> {
    /// How many words the bookkeeping for `frames` frames takes.
    pub(super) fn words_needed(frames: usize) -> usize {
        (0..ORDERS)
            .map(|order| BitTree::words_needed(frames >> order))
            .sum()
    }

    /// An allocator of `frames` frames, none of them free yet.
    pub(super) fn new(words: &'memory mut [u64], frames: usize) -> Self {
        let mut words = words;
        let free = core::array::from_fn(|order| {
            let capacity = frames >> order;
            let (mine, rest) =
                core::mem::take(&mut words).split_at_mut(BitTree::words_needed(capacity));
            words = rest;
            (capacity > 0).then(|| BitTree::new(mine, capacity))
        });
        Self {
            free,
            frames,
            free_frames: 0,
        }
    }

    /// How many frames are free.
    pub(super) fn free_frames(&self) -> usize {
        self.free_frames
    }

    /// Takes a block of 2^`order` frames; the number of its first one.
    pub(super) fn take(&mut self, order: usize) -> Option<usize> {
        let found = (order..ORDERS).find_map(|from| {
            let block = self.free[from].as_ref()?.first()?;
            Some((from, block))
        });
        let (from, mut block) = found?;
        self.remove(from, block);
        for below in (order..from).rev() {
            block *= 2;
            self.insert(below, block + 1);
        }
        self.free_frames -= 1 << order;
        Some(block << order)
    }

    /// Takes `count` frames that follow each other, from a multiple of 2^`alignment` on, in whatever
    /// blocks they are; the number of the first one. Looks at one frame of each such place, or a
    /// block, at a time.
    pub(super) fn take_run(&mut self, count: usize, alignment: u32) -> Option<usize> {
        let mut first = 0usize;
        while first.checked_add(count)? <= self.frames {
            let mut end = first;
            while end < first + count
                && let Some((order, block)) = self.free_block_with(end)
            {
                end = (block + 1) << order;
            }
            if end >= first + count {
                self.cut_out(first, count);
                return Some(first);
            }
            first = (end + 1).next_multiple_of(1 << alignment);
        }
        None
    }

    /// Takes frames that are free.
    fn cut_out(&mut self, first: usize, count: usize) {
        let mut at = first;
        while let Some((order, block)) = self.free_block_with(at).filter(|_| at < first + count) {
            let (start, end) = (block << order, (block + 1) << order);
            self.remove(order, block);
            self.free_frames -= 1 << order;
            if start < first {
                self.give_back(start, first - start);
            }
            if end > first + count {
                self.give_back(first + count, end - first - count);
            }
            at = end;
        }
    }

    /// The free block that a frame is in.
    fn free_block_with(&self, frame: usize) -> Option<(usize, usize)> {
        let mut blocks = (0..ORDERS).map(|order| (order, frame >> order));
        blocks.find(|&(order, block)| self.is_free(order, block))
    }

    /// Gives back the `count` frames from `first` on.
    pub(super) fn give_back(&mut self, first: usize, count: usize) {
        assert!(
            first
                .checked_add(count)
                .is_some_and(|end| end <= self.frames)
        );
        let (mut first, mut count) = (first, count);
        while count > 0 {
            let fits = first
                .trailing_zeros()
                .min(count.ilog2())
                .min(ORDERS as u32 - 1);
            self.give_back_block(first, fits as usize);
            first += 1 << fits;
            count -= 1 << fits;
        }
    }

    fn give_back_block(&mut self, first: usize, order: usize) {
        self.free_frames += 1 << order;
        let (mut order, mut block) = (order, first >> order);
        debug_assert!(
            !self.is_free(order, block),
            "frame {first} given back twice"
        );
        while order + 1 < ORDERS && self.is_free(order, block ^ 1) {
            self.remove(order, block ^ 1);
            order += 1;
            block /= 2;
        }
        self.insert(order, block);
    }

    fn is_free(&self, order: usize, block: usize) -> bool {
        self.free[order]
            .as_ref()
            .is_some_and(|free| free.contains(block))
    }

    fn insert(&mut self, order: usize, block: usize) {
        if let Some(free) = &mut self.free[order] {
            free.insert(block);
        }
    }

    fn remove(&mut self, order: usize, block: usize) {
        if let Some(free) = &mut self.free[order] {
            free.remove(block);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_free(words: &mut Vec<u64>, frames: usize) -> Buddy<'_> {
        words.resize(Buddy::words_needed(frames), 0);
        let mut buddy = Buddy::new(words, frames);
        buddy.give_back(0, frames);
        buddy
    }

    #[test]
    fn every_frame_is_handed_out_once() {
        let mut words = Vec::new();
        let mut buddy = all_free(&mut words, 1000);
        let mut seen = vec![false; 1000];
        while let Some(frame) = buddy.take(0) {
            assert!(!core::mem::replace(&mut seen[frame], true));
        }
        assert!(seen.iter().all(|seen| *seen));
        assert_eq!(buddy.free_frames(), 0);
    }

    #[test]
    fn blocks_are_aligned_and_do_not_overlap() {
        let mut words = Vec::new();
        let mut buddy = all_free(&mut words, 777);
        let mut owner = vec![0; 777];
        let mut blocks = Vec::new();
        let mut random = 7u64;
        for round in 1..5000 {
            random = random
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            let order = (random >> 60) as usize % 7;
            if random & (1 << 40) == 0 {
                if let Some(first) = buddy.take(order) {
                    assert_eq!(first % (1 << order), 0);
                    for frame in &mut owner[first..first + (1 << order)] {
                        assert_eq!(core::mem::replace(frame, round), 0);
                    }
                    blocks.push((first, order));
                }
            } else if !blocks.is_empty() {
                let (first, order) = blocks.swap_remove((random >> 33) as usize % blocks.len());
                owner[first..first + (1 << order)].fill(0);
                buddy.give_back(first, 1 << order);
            }
            assert_eq!(
                buddy.free_frames(),
                owner.iter().filter(|owner| **owner == 0).count()
            );
        }
        for (first, order) in blocks {
            buddy.give_back(first, 1 << order);
        }
        assert_eq!(
            buddy.take(9),
            Some(0),
            "all neighbours have been joined again"
        );
    }

    #[test]
    fn a_block_may_come_back_in_pieces() {
        let mut words = Vec::new();
        let mut buddy = all_free(&mut words, 64);
        assert_eq!(buddy.take(6), Some(0));
        buddy.give_back(1, 63);
        assert_eq!(buddy.take(6), None);
        buddy.give_back(0, 1);
        assert_eq!(buddy.take(6), Some(0));
    }

    #[test]
    fn a_run_goes_over_blocks_of_several_sizes() {
        let mut words = Vec::new();
        let mut buddy = all_free(&mut words, 64);
        assert_eq!(buddy.take(0), Some(0));
        assert_eq!(buddy.take_run(64, 0), None);
        assert_eq!(buddy.take_run(48, 3), Some(8), "no block of 64 is free");
        assert_eq!(buddy.free_frames(), 15);
        assert_eq!(buddy.take_run(8, 0), Some(56));
        assert_eq!(buddy.take_run(8, 0), None);
        assert_eq!(buddy.take_run(7, 0), Some(1));
        buddy.give_back(0, 64);
        assert_eq!(buddy.take_run(30, 0), Some(0));
        buddy.give_back(0, 30);
        assert_eq!(buddy.take(6), Some(0), "what was left over has been joined");
    }
}
