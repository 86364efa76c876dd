//! Runs: frames that follow each other, in whatever blocks they are.

use super::Free;

/// Takes `count` frames that follow each other, from a multiple of 2^`alignment` on, in whatever
/// blocks they are; the number of the first one. Looks at one frame of each such place, or a
/// block, at a time.
pub(super) fn take(frames: &mut Free, total: usize, count: usize, alignment: u32) -> Option<usize> {
    let mut first = 0usize;
    while first.checked_add(count)? <= total {
        let mut end = first;
        while end < first + count
            && let Some((order, block)) = frames.block_with(end)
        {
            end = (block + 1) << order;
        }
        if end >= first + count {
            cut_out(frames, first, count);
            return Some(first);
        }
        first = (end + 1).next_multiple_of(1 << alignment);
    }
    None
}

/// Takes frames that are free.
fn cut_out(frames: &mut Free, first: usize, count: usize) {
    let mut at = first;
    while let Some((order, block)) = frames.block_with(at).filter(|_| at < first + count) {
        let (start, end) = (block << order, (block + 1) << order);
        frames.take(order, block);
        if start < first {
            frames.free_range(start, first - start);
        }
        if end > first + count {
            frames.free_range(first + count, end - first - count);
        }
        at = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_goes_over_blocks_of_several_sizes() {
        let mut buddy = Free::new(Vec::leak(vec![0; buddy::words_needed(64)]), 64);
        buddy.free_range(0, 64);
        let take_run = |buddy: &mut Free, count, alignment| take(buddy, 64, count, alignment);
        assert_eq!(buddy.allocate(0), Some(0));
        assert_eq!(take_run(&mut buddy, 64, 0), None);
        assert_eq!(
            take_run(&mut buddy, 48, 3),
            Some(8),
            "no block of 64 is free"
        );
        assert_eq!(buddy.available(), 15);
        assert_eq!(take_run(&mut buddy, 8, 0), Some(56));
        assert_eq!(take_run(&mut buddy, 8, 0), None);
        assert_eq!(take_run(&mut buddy, 7, 0), Some(1));
        buddy.free_range(0, 64);
        assert_eq!(take_run(&mut buddy, 30, 0), Some(0));
        buddy.free_range(0, 30);
        assert_eq!(
            buddy.allocate(6),
            Some(0),
            "what was left over has been joined"
        );
    }
}
