//! Which page frames are free: one buddy allocator for each stretch of memory that moe got.
//!
//! moe is mapped one to one, so a frame's physical address is also where moe itself finds it. The
//! first frames of a stretch hold its own bookkeeping.

mod run;

use buddy::Buddy;
use l4_abi::flexpage::PAGE_ORDER;
pub use l4_abi::flexpage::PAGE_SIZE;

/// log2 of [`PAGE_SIZE`]. An *order* is in frames here.
pub const PAGE_SHIFT: u32 = PAGE_ORDER;
/// The largest block, as log2 of its number of frames (1 GiB).
pub const LARGEST_ORDER: u32 = buddy::MAX_ORDER;

/// Stretches of memory that are kept apart; most machines have a handful.
pub const STRETCHES: usize = 32;

/// Rounds up to whole frames; `None` when that passes the end of the address space.
pub fn frames_for(bytes: u64) -> Option<u64> {
    Some(bytes.checked_add(PAGE_SIZE - 1)? / PAGE_SIZE)
}

/// The free frames of a stretch.
type Free = Buddy<&'static mut [u64]>;

#[derive(Debug)]
struct Stretch {
    /// Address of frame number 0 of the buddy: below the stretch where that keeps blocks aligned.
    base: u64,
    first: u64,
    end: u64,
    free: Free,
}

/// All free frames.
#[derive(Debug)]
pub struct Frames {
    stretches: [Option<Stretch>; STRETCHES],
}

impl Frames {
    /// No memory at all.
    pub const fn new() -> Self {
        Self {
            stretches: [const { None }; STRETCHES],
        }
    }

    /// How many frames at the start of a stretch its bookkeeping takes.
    pub fn bookkeeping_frames(first: u64, end: u64) -> u64 {
        let words = buddy::words_needed(frame_count(base_of(first, end), end));
        (words as u64 * 8).div_ceil(PAGE_SIZE)
    }

    /// Adds the memory `[first, end)`, page aligned. `words` is zero, and at least
    /// [`bookkeeping_frames`](Self::bookkeeping_frames) large; if it lies in the stretch itself,
    /// those frames are not in `[free_from, end)`. Returns whether there was room for the stretch.
    pub fn add(&mut self, first: u64, free_from: u64, end: u64, words: &'static mut [u64]) -> bool {
        let Some(entry) = self.stretches.iter_mut().find(|entry| entry.is_none()) else {
            return false;
        };
        let base = base_of(first, end);
        let frames = frame_count(base, end);
        let mut free = Buddy::new(words, frames);
        free.free_range(frame_count(base, free_from), frame_count(free_from, end));
        *entry = Some(Stretch {
            base,
            first,
            end,
            free,
        });
        true
    }

    /// How many frames are free.
    pub fn free_frames(&self) -> u64 {
        self.stretches
            .iter()
            .flatten()
            .map(|stretch| stretch.free.available() as u64)
            .sum()
    }

    /// Takes 2^`order` frames on a boundary of their size; the address of the first one. Their
    /// content is whatever was there before.
    pub fn take(&mut self, order: u32) -> Option<u64> {
        self.stretches.iter_mut().flatten().find_map(|stretch| {
            let frame = stretch.free.allocate(order)?;
            Some(stretch.base + frame as u64 * PAGE_SIZE)
        })
    }

    /// Takes `count` frames in one piece, on a boundary of 2^`alignment` frames; the address of the
    /// first one.
    pub fn take_run(&mut self, count: u64, alignment: u32) -> Option<u64> {
        // Memory that begins anywhere could make this long: large runs begin at an eighth of their
        // size. Where a stretch begins is aligned for the largest block that it can hold.
        let alignment = alignment.max(count.ilog2().saturating_sub(3));
        self.stretches.iter_mut().flatten().find_map(|stretch| {
            let aligned = stretch.base.is_multiple_of(PAGE_SIZE << alignment);
            let total = frame_count(stretch.base, stretch.end);
            let run = || run::take(&mut stretch.free, total, count as usize, alignment);
            let frame = aligned.then(run)??;
            Some(stretch.base + frame as u64 * PAGE_SIZE)
        })
    }

    /// Gives back `count` frames from `address` on, which were taken before.
    pub fn give_back(&mut self, address: u64, count: u64) {
        let stretch = self
            .stretches
            .iter_mut()
            .flatten()
            .find(|stretch| stretch.first <= address && address < stretch.end)
            .expect("frames come back to where they were taken");
        let frame = frame_count(stretch.base, address);
        stretch.free.free_range(frame, count as usize);
    }
}

/// Frame 0 of a stretch's buddy lies on a boundary of the largest block that the stretch can hold,
/// so that blocks are aligned in memory, not just within the stretch.
fn base_of(first: u64, end: u64) -> u64 {
    let largest = (end - first)
        .max(PAGE_SIZE)
        .ilog2()
        .min(PAGE_SHIFT + LARGEST_ORDER);
    first & !((1 << largest) - 1)
}

fn frame_count(first: u64, end: u64) -> usize {
    ((end - first) / PAGE_SIZE) as usize
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Real memory of this process, as if it were the machine's: where it begins and ends, and
    /// memory for its bookkeeping.
    pub(crate) fn some_memory(frames: usize) -> (u64, u64, &'static mut [u64]) {
        #[repr(align(4096))]
        #[derive(Clone)]
        struct Page(#[expect(dead_code, reason = "read as memory")] [u8; PAGE_SIZE as usize]);
        let pages = Vec::leak(vec![Page([0xaa; PAGE_SIZE as usize]); frames]);
        let first = pages.as_ptr() as u64;
        let end = first + frames as u64 * PAGE_SIZE;
        let words = Frames::bookkeeping_frames(first, end) * PAGE_SIZE / 8;
        (first, end, Vec::leak(vec![0; words as usize]))
    }

    #[test]
    fn blocks_are_aligned_in_memory() {
        let words = Frames::bookkeeping_frames(0x3000, 0x4_5000) * PAGE_SIZE / 8;
        let mut frames = Frames::new();
        assert!(frames.add(0x3000, 0x3000, 0x4_5000, Vec::leak(vec![0; words as usize])));
        assert_eq!(frames.free_frames(), 0x42);
        for order in (0..6).rev() {
            while let Some(address) = frames.take(order) {
                assert_eq!(address % (PAGE_SIZE << order), 0);
                assert!((0x3000..0x4_5000).contains(&address));
            }
        }
        assert_eq!(frames.free_frames(), 0);
    }

    #[test]
    fn frames_return_to_their_stretch() {
        let (first, end, words) = some_memory(32);
        let mut frames = Frames::new();
        assert!(frames.add(first, first, end, words));
        let free = frames.free_frames();
        let taken: Vec<_> = core::iter::from_fn(|| frames.take(0)).collect();
        assert_eq!(taken.len() as u64, free);
        for address in taken {
            frames.give_back(address, 1);
        }
        assert_eq!(frames.free_frames(), free);
        assert_eq!(frames.take(LARGEST_ORDER + 1), None);
    }
}
