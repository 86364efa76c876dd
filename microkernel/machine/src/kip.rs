//! The kernel info page (abi/04) as the kernel sees it: writable, while user
//! mode may read it at any time.

use core::sync::atomic::{AtomicU64, Ordering};

/// Words in the page.
const WORDS: usize = 512;

/// The page. Offsets are bytes, and multiples of eight.
#[repr(C, align(4096))]
pub struct KipPage {
    words: [AtomicU64; WORDS],
}

impl KipPage {
    /// A page that starts with `words`.
    pub const fn new(words: &[u64]) -> Self {
        let mut page = [const { AtomicU64::new(0) }; WORDS];
        let mut index = 0;
        while index < words.len() {
            page[index] = AtomicU64::new(words[index]);
            index += 1;
        }
        Self { words: page }
    }

    /// The word at `offset`; 0 beyond the end.
    #[inline]
    pub fn word(&self, offset: usize) -> u64 {
        self.words
            .get(offset / 8)
            .map_or(0, |word| word.load(Ordering::Relaxed))
    }

    /// Writes the word at `offset`; nothing beyond the end.
    #[inline]
    pub fn set_word(&self, offset: usize, value: u64) {
        if let Some(word) = self.words.get(offset / 8) {
            word.store(value, Ordering::Relaxed);
        }
    }

    /// Writes the 32 bits at `offset`, which is a multiple of four.
    pub fn set_half(&self, offset: usize, value: u32) {
        let shift = offset % 8 * 8;
        let word = self.word(offset) & !(u64::from(u32::MAX) << shift);
        self.set_word(offset, word | u64::from(value) << shift);
    }

    /// Copies `bytes` to `offset`, which is a multiple of eight.
    pub fn set_bytes(&self, offset: usize, bytes: &[u8]) {
        for (index, chunk) in bytes.chunks(8).enumerate() {
            let mut word = self.word(offset + index * 8).to_le_bytes();
            word[..chunk.len()].copy_from_slice(chunk);
            self.set_word(offset + index * 8, u64::from_le_bytes(word));
        }
    }
}
