//! Taking over all memory that sigma0 has.

use super::sigma0;
use crate::bank::Bank;
use crate::frames::{Frames, PAGE_SHIFT, PAGE_SIZE, STRETCHES};
use crate::memory;

/// log2 of the largest block that is asked for: 1 GiB.
const LARGEST_ORDER: u32 = 30;

/// A stretch of memory, from its first address to behind its last.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Stretch {
    first: u64,
    end: u64,
}

impl Stretch {
    fn size(&self) -> u64 {
        self.end - self.first
    }
}

/// Asks for ever smaller blocks until there is nothing left.
pub(super) fn take_over_all(bank: &mut Bank) {
    let mut stretches = Stretches::new();
    for order in (PAGE_SHIFT..=LARGEST_ORDER).rev() {
        // sigma0 says no when it has no such block any more.
        while let Ok(first) = sigma0::any_ram(order) {
            stretches.add(Stretch {
                first,
                end: first + (1 << order),
            });
        }
    }
    for stretch in stretches.iter() {
        let bookkeeping = Frames::bookkeeping_frames(stretch.first, stretch.end) * PAGE_SIZE;
        // A stretch that is too small to describe itself is not worth having.
        if bookkeeping < stretch.size() {
            let words = memory::words_for_ever(stretch.first, bookkeeping);
            bank.fund(
                stretch.first,
                stretch.first + bookkeeping,
                stretch.end,
                words,
            );
        }
    }
}

/// Stretches of memory, neighbours joined; the smallest are left out if there are too many.
struct Stretches {
    stretches: [Stretch; STRETCHES],
    count: usize,
}

impl Stretches {
    const fn new() -> Self {
        Self {
            stretches: [Stretch { first: 0, end: 0 }; STRETCHES],
            count: 0,
        }
    }

    fn iter(&self) -> impl Iterator<Item = &Stretch> {
        self.stretches[..self.count].iter()
    }

    fn add(&mut self, mut new: Stretch) {
        let mut index = 0;
        while index < self.count {
            let other = self.stretches[index];
            if other.end == new.first || new.end == other.first {
                new = Stretch {
                    first: other.first.min(new.first),
                    end: other.end.max(new.end),
                };
                self.count -= 1;
                self.stretches[index] = self.stretches[self.count];
                index = 0;
            } else {
                index += 1;
            }
        }
        if self.count < STRETCHES {
            self.stretches[self.count] = new;
            self.count += 1;
        } else if let Some(smallest) = self.stretches.iter_mut().min_by_key(|one| one.size())
            && smallest.size() < new.size()
        {
            *smallest = new;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretches(blocks: &[(u64, u64)]) -> Vec<(u64, u64)> {
        let mut stretches = Stretches::new();
        for (first, end) in blocks {
            stretches.add(Stretch {
                first: *first,
                end: *end,
            });
        }
        let mut list: Vec<_> = stretches.iter().map(|one| (one.first, one.end)).collect();
        list.sort();
        list
    }

    #[test]
    fn neighbours_are_joined_in_any_order() {
        assert_eq!(
            stretches(&[(4, 8), (8, 9), (2, 4), (20, 30)]),
            [(2, 9), (20, 30)]
        );
        assert_eq!(stretches(&[(1, 2), (3, 4), (2, 3)]), [(1, 4)]);
    }

    #[test]
    fn the_smallest_are_left_out_when_there_are_too_many() {
        let mut blocks: Vec<_> = (0..STRETCHES as u64)
            .map(|i| (i * 100, i * 100 + 10))
            .collect();
        blocks.push((100_000, 100_050));
        blocks.push((200_000, 200_001));
        let kept = stretches(&blocks);
        assert_eq!(kept.len(), STRETCHES);
        assert!(kept.contains(&(100_000, 100_050)) && !kept.contains(&(200_000, 200_001)));
    }
}
