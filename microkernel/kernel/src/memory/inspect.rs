//! Looking at kernel memory, for the kernel debugger.

use core::sync::atomic::Ordering;

use machine::memory::FRAME_SIZE;

use super::KernelHeap;
use super::quota::{OPEN, Quota, UNLIMITED};
use super::slab::SIZES;

impl KernelHeap {
    /// Bytes in use, counted as they are charged.
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// Bytes in frames that are free.
    pub fn available(&self) -> usize {
        self.frames.lock().available() * FRAME_SIZE
    }

    /// Shows `visit` each block size of the slabs: bytes of a block, frames that have free ones,
    /// and free blocks.
    pub fn each_slab(&self, mut visit: impl FnMut(usize, usize, usize)) {
        let slabs = self.slabs.lock();
        for (size, list) in SIZES.into_iter().zip(&slabs.lists) {
            let (mut frames, mut free) = (0, 0);
            let mut next = list.first;
            while let Some(slab) = slabs.frames.get(next as usize) {
                frames += 1;
                free += slab.free.count_ones() as usize;
                next = slab.next;
            }
            visit(size, frames, free);
        }
    }
}

impl Quota {
    /// Bytes that may be charged in all.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Bytes that are charged.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed) & !OPEN
    }

    /// True if there is a limit; the root factory has none.
    pub fn is_limited(&self) -> bool {
        self.limit < UNLIMITED
    }
}
