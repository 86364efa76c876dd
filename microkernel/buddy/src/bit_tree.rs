//! A set of numbers in which the smallest is found at once: a bitmap with summaries above it.
//!
//! Level 0 has a bit for each number; a bit further up says that a word below is not zero. With
//! 64 bits a word, four levels serve sixteen million numbers.

/// A set of the numbers 0 to `capacity` - 1. The words live with the caller, who passes the same
/// slice, at first all zero, to each call.
#[derive(Clone, Copy, Debug)]
pub(super) struct BitTree {
    /// Where each level starts in the words; the last used one is the top, of one word.
    levels: [usize; LEVELS],
    top: usize,
    capacity: usize,
}

const LEVELS: usize = 6;
const BITS: usize = u64::BITS as usize;

impl BitTree {
    /// An empty set whose words start at word `first`; also gives the word behind them.
    pub(super) fn new(capacity: usize, first: usize) -> (BitTree, usize) {
        let mut levels = [0; LEVELS];
        let mut next = first;
        let mut words = capacity;
        for (level, start) in levels.iter_mut().enumerate() {
            words = words.div_ceil(BITS).max(1);
            *start = next;
            next += words;
            if words == 1 {
                return (
                    BitTree {
                        levels,
                        top: level,
                        capacity,
                    },
                    next,
                );
            }
        }
        unreachable!("more frames than a machine can have")
    }

    pub(super) fn contains(&self, words: &[u64], number: usize) -> bool {
        number < self.capacity && words[self.levels[0] + number / BITS] >> (number % BITS) & 1 != 0
    }

    pub(super) fn insert(&self, words: &mut [u64], mut number: usize) {
        for start in &self.levels[..=self.top] {
            let word = &mut words[start + number / BITS];
            let before = *word;
            *word |= 1 << (number % BITS);
            if before != 0 {
                return;
            }
            number /= BITS;
        }
    }

    pub(super) fn remove(&self, words: &mut [u64], mut number: usize) {
        for start in &self.levels[..=self.top] {
            let word = &mut words[start + number / BITS];
            *word &= !(1 << (number % BITS));
            if *word != 0 {
                return;
            }
            number /= BITS;
        }
    }

    /// The smallest number in the set.
    pub(super) fn first(&self, words: &[u64]) -> Option<usize> {
        let mut number = 0;
        for start in self.levels[..=self.top].iter().rev() {
            let word = words[start + number];
            if word == 0 {
                return None;
            }
            number = number * BITS + word.trailing_zeros() as usize;
        }
        Some(number)
    }

    pub(super) fn is_empty(&self, words: &[u64]) -> bool {
        words[self.levels[self.top]] == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::vec;

    proptest! {
        #[test]
        fn behaves_like_a_set(
            capacity in 1_usize..20_000,
            steps in prop::collection::vec((any::<bool>(), any::<prop::sample::Index>()), 0..300),
        ) {
            let (tree, end) = BitTree::new(capacity, 3);
            let mut words = vec![0; end];
            let mut model = BTreeSet::new();
            for (insert, index) in steps {
                let number = index.index(capacity);
                if insert {
                    tree.insert(&mut words, number);
                    model.insert(number);
                } else {
                    tree.remove(&mut words, number);
                    model.remove(&number);
                }
                prop_assert_eq!(tree.first(&words), model.first().copied());
                prop_assert_eq!(tree.is_empty(&words), model.is_empty());
                prop_assert_eq!(tree.contains(&words, number), model.contains(&number));
            }
            prop_assert_eq!(&words[..3], &[0; 3]);
        }
    }
}
