//! Endless random bytes from a seed. After each use the key is replaced, so that what was given out
//! cannot be computed again by who sees the generator later.

use crate::chacha::{self, BLOCK, KEY};

/// Bytes that one key gives, beyond the next key.
const BYTES: usize = 4 * (BLOCK - KEY);

/// A generator.
pub struct Generator {
    key: [u32; KEY],
}

impl Generator {
    /// One that has no seed yet.
    pub const fn new() -> Self {
        Self { key: [0; KEY] }
    }

    /// Mixes something into the state that others do not know.
    pub fn add(&mut self, sample: u64) {
        let nonce = [1, sample as u32, (sample >> 32) as u32];
        self.advance(nonce);
    }

    /// Fills `target` with random bytes.
    pub fn fill(&mut self, target: &mut [u8]) {
        for part in target.chunks_mut(BYTES) {
            let words = self.advance([0; 3]);
            let bytes = words.map(u32::to_le_bytes);
            part.copy_from_slice(&bytes.as_flattened()[..part.len()]);
        }
    }

    /// Takes the next key out of a block; the rest of it.
    fn advance(&mut self, nonce: [u32; 3]) -> [u32; BLOCK - KEY] {
        let block = chacha::block(&self.key, 0, nonce);
        self.key.copy_from_slice(&block[..KEY]);
        let mut rest = [0; BLOCK - KEY];
        rest.copy_from_slice(&block[KEY..]);
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_make_the_difference_and_nothing_comes_twice() {
        let bytes = |seeds: &[u64]| {
            let mut generator = Generator::new();
            seeds.iter().for_each(|seed| generator.add(*seed));
            let mut bytes = [0; 100];
            generator.fill(&mut bytes);
            bytes
        };
        assert_eq!(bytes(&[1, 2]), bytes(&[1, 2]));
        assert_ne!(bytes(&[1, 2]), bytes(&[2, 1]));
        assert_ne!(bytes(&[0]), bytes(&[]));
        let once = bytes(&[7]);
        for (position, part) in once.chunks(8).enumerate() {
            let mut others = once.chunks(8).skip(position + 1);
            assert!(others.all(|other| other != part));
        }
    }
}
