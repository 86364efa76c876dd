//! Where the choices come from.

/// A row of choices: all that follow from a seed, or those that bytes stand for.
#[derive(Clone, Debug)]
pub enum Choices<'a> {
    /// State of a generator that never ends (xorshift64*).
    Seed(u64),
    /// Bytes that are left; behind the last one every choice is the first.
    Bytes(&'a [u8]),
}

impl<'a> Choices<'a> {
    /// The choices number `index` of `seed`. Neighbours have nothing in common.
    pub const fn seeded(seed: u64, index: u64) -> Self {
        // The finaliser of splitmix64.
        let mixed = seed
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .wrapping_add(index.wrapping_mul(0xd1b5_4a32_d192_ed03));
        let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        // Zero would stay zero.
        Choices::Seed((mixed ^ mixed >> 31) | 1)
    }

    /// The choices that `bytes` stand for.
    pub const fn from_bytes(bytes: &'a [u8]) -> Self {
        Choices::Bytes(bytes)
    }

    /// True if there are no bytes left.
    pub const fn is_over(&self) -> bool {
        matches!(self, Choices::Bytes([]))
    }

    /// Any number of `bytes` bytes.
    fn number(&mut self, bytes: usize) -> u64 {
        match self {
            Choices::Seed(state) => {
                *state ^= *state >> 12;
                *state ^= *state << 25;
                *state ^= *state >> 27;
                state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> (64 - 8 * bytes)
            }
            Choices::Bytes(left) => {
                let (now, later) = left.split_at(bytes.min(left.len()));
                *left = later;
                let digits = now.iter().rev();
                digits.fold(0, |number, byte| number << 8 | u64::from(*byte))
            }
        }
    }

    /// Any word.
    pub fn word(&mut self) -> u64 {
        self.number(8)
    }

    /// A number below `end`, which is at least 1.
    pub fn below(&mut self, end: u64) -> u64 {
        let bytes = match end {
            0..=0x100 => 1,
            0x101..=0x1_0000 => 2,
            0x1_0001..=0x1_0000_0000 => 4,
            _ => 8,
        };
        self.number(bytes) % end
    }

    /// A number from `first` to before `end`.
    pub fn between(&mut self, first: u64, end: u64) -> u64 {
        first + self.below(end - first)
    }

    /// True in one of `times` cases.
    pub fn one_in(&mut self, times: u64) -> bool {
        self.below(times) + 1 == times
    }

    /// One of these.
    pub fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }

    /// The place of one of these weights, the first of which is that of the plain case.
    #[inline]
    pub fn weighted<const N: usize>(&mut self, weights: [u8; N]) -> usize {
        let sum = weights.into_iter().map(u64::from).sum();
        let mut rest = self.below(sum);
        for (place, weight) in weights.into_iter().map(u64::from).enumerate() {
            match rest.checked_sub(weight) {
                Some(less) => rest = less,
                None => return place,
            }
        }
        0
    }
}
