//! A set of small numbers in which the smallest member is found in a handful of steps.
//!
//! Level 0 has one bit per number; every further level has one bit per word of the level below,
//! set while that word is not empty. The words lie in memory that the caller provides, because the
//! frame allocator has nobody to ask for memory.

/// Enough levels for 2^42 numbers.
const MAX_LEVELS: usize = 7;
const BITS: usize = u64::BITS as usize;

/// The set.
#[derive(Debug)]
pub(super) struct BitTree<'memory> {
    words: &'memory mut [u64],
    /// Where each level begins in `words`.
    starts: [usize; MAX_LEVELS],
    levels: usize,
}

impl<'memory> BitTree<'memory> {
    /// How many words a set of the numbers below `capacity` takes.
    pub(super) const fn words_needed(capacity: usize) -> usize {
        let mut level = capacity.div_ceil(BITS);
        let mut total = level;
        while level > 1 {
            level = level.div_ceil(BITS);
            total += level;
        }
        total
    }

    /// An empty set of the numbers below `capacity`, in exactly `words_needed(capacity)` words.
    pub(super) fn new(words: &'memory mut [u64], capacity: usize) -> Self {
        assert_eq!(words.len(), Self::words_needed(capacity));
        words.fill(0);
        let mut starts = [0; MAX_LEVELS];
        let mut level = capacity.div_ceil(BITS);
        let mut levels = usize::from(level > 0);
        let mut start = level;
        while level > 1 {
            starts[levels] = start;
            level = level.div_ceil(BITS);
            start += level;
            levels += 1;
        }
        Self {
            words,
            starts,
            levels,
        }
    }

    /// Whether `number` is in the set. Numbers beyond the capacity are not.
    pub(super) fn contains(&self, number: usize) -> bool {
        let end = if self.levels > 1 {
            self.starts[1]
        } else {
            self.words.len()
        };
        number / BITS < end && self.words[number / BITS] & (1 << (number % BITS)) != 0
    }

    /// Adds `number`.
    pub(super) fn insert(&mut self, number: usize) {
        let mut number = number;
        for level in 0..self.levels {
            let word = &mut self.words[self.starts[level] + number / BITS];
            let was_empty = *word == 0;
            *word |= 1 << (number % BITS);
            if !was_empty {
                break;
            }
            number /= BITS;
        }
    }

    /// Takes `number` out.
    pub(super) fn remove(&mut self, number: usize) {
        let mut number = number;
        for level in 0..self.levels {
            let word = &mut self.words[self.starts[level] + number / BITS];
            *word &= !(1 << (number % BITS));
            if *word != 0 {
                break;
            }
            number /= BITS;
        }
    }

    /// The smallest member.
    pub(super) fn first(&self) -> Option<usize> {
        let mut number = 0;
        for level in (0..self.levels).rev() {
            let word = self.words[self.starts[level] + number];
            if word == 0 {
                return None;
            }
            number = number * BITS + word.trailing_zeros() as usize;
        }
        (self.levels > 0).then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn agrees_with_an_ordered_set() {
        for capacity in [0, 1, 63, 64, 65, 4096, 4097, 300_000] {
            let mut words = vec![!0; BitTree::words_needed(capacity)];
            let mut tree = BitTree::new(&mut words, capacity);
            let mut model = BTreeSet::new();
            let mut random = 1u64;
            for _ in 0..2000.min(capacity * 3) {
                random = random
                    .wrapping_mul(6364136223846793005)
                    .wrapping_add(1442695040888963407);
                let number = (random >> 33) as usize % capacity;
                if random & (1 << 20) == 0 {
                    tree.insert(number);
                    model.insert(number);
                } else {
                    tree.remove(number);
                    model.remove(&number);
                }
                assert_eq!(tree.contains(number), model.contains(&number));
                assert_eq!(tree.first(), model.first().copied());
            }
            assert!(!tree.contains(capacity));
        }
    }
}
