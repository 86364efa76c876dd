//! Ranges of the program's memory.

use l4_abi::flexpage::{Flexpage, PAGE_SIZE};
use l4_abi::protocol::task::UnmapMask;
use l4_abi::rights::MemoryRights;

use crate::env;

/// Unmaps pages from the program's memory, in the largest aligned blocks.
pub fn unmap(start: u64, size: u64) {
    for (address, order) in blocks(start, size) {
        let flexpage = Flexpage::memory(address, order, MemoryRights::RWX);
        let _ = env::task().unmap(flexpage, UnmapMask::ALL_SPACES);
    }
}

/// Cuts a range of pages into aligned blocks of 2^order bytes.
pub(crate) fn blocks(start: u64, size: u64) -> impl Iterator<Item = (u64, u32)> {
    let end = start.saturating_add(size) & !(PAGE_SIZE - 1);
    let mut next = start & !(PAGE_SIZE - 1);
    core::iter::from_fn(move || {
        let left = end.checked_sub(next).filter(|left| *left > 0)?;
        let order = left.ilog2().min(if next == 0 {
            u64::BITS - 1
        } else {
            next.trailing_zeros()
        });
        let block = (next, order);
        next += 1 << order;
        Some(block)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_into_aligned_blocks_without_gaps() {
        let mut next = 0x5000;
        for (address, order) in blocks(0x5000, 0x2b000) {
            assert_eq!(address, next);
            assert_eq!(address % (1 << order), 0);
            next += 1 << order;
        }
        assert_eq!(next, 0x30000);
        assert_eq!(blocks(0x5000, 0x2b000).count(), 5);
        assert_eq!(blocks(0, 0x2000).collect::<Vec<_>>(), [(0, 13)]);
        assert_eq!(blocks(0x1000, 0).count(), 0);
    }
}
