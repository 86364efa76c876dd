//! The kernel info page (abi/04) as the kernel sees it: writable, while user
//! mode may read it at any time.

use core::sync::atomic::{AtomicU64, Ordering};

use l4_abi::kip::{MAGIC, MEMORY_DESCRIPTORS, SIZE, VERSION, VERSION_STRING_UNIT};

/// Words in the page.
const WORDS: usize = SIZE / 8;

/// The page. Offsets are bytes, and multiples of eight.
#[repr(C, align(4096))]
pub struct KipPage {
    words: [AtomicU64; WORDS],
}

impl KipPage {
    /// The page as it is in the kernel's image: where things are, and the
    /// version string with the features behind it.
    pub const fn in_image(descriptors: usize, strings: usize, text: &[u8]) -> Self {
        let mut bytes = [0; SIZE];
        put(&mut bytes, 0x00, &MAGIC.to_le_bytes());
        put(&mut bytes, 0x04, &VERSION.to_le_bytes());
        bytes[0x08] = (strings / VERSION_STRING_UNIT) as u8;
        put(&mut bytes, 0x54, &(descriptors as u32).to_le_bytes());
        put(&mut bytes, 0x58, &(MEMORY_DESCRIPTORS as u32).to_le_bytes());
        put(&mut bytes, strings, text);
        if cfg!(feature = "debugger") {
            put(&mut bytes, strings + text.len(), b"jdb\0");
        }

        let mut words = [const { AtomicU64::new(0) }; WORDS];
        let mut index = 0;
        while index < WORDS {
            let (chunks, _) = bytes.as_chunks::<8>();
            words[index] = AtomicU64::new(u64::from_le_bytes(chunks[index]));
            index += 1;
        }
        Self { words }
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

    /// The 32 bits at `offset`, which is a multiple of four.
    pub fn half(&self, offset: usize) -> u32 {
        (self.word(offset) >> (offset % 8 * 8)) as u32
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

/// Copies `from` to `offset`, at compile time.
const fn put(bytes: &mut [u8; SIZE], offset: usize, from: &[u8]) {
    let mut index = 0;
    while index < from.len() {
        bytes[offset + index] = from[index];
        index += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_in_an_image_names_its_features() {
        let page = KipPage::in_image(0xe0, 0x4e0, b"text\0one\0two\0");
        let bytes: Vec<u8> = (0..SIZE)
            .step_by(8)
            .flat_map(|offset| page.word(offset).to_le_bytes())
            .collect();
        assert!(l4_abi::kip::has_feature(&bytes, "two"));
        assert!(!l4_abi::kip::has_feature(&bytes, "text"));
        assert_eq!(page.word(0) as u32, MAGIC);
        assert_eq!(page.word(0x50) >> 32, 0xe0);
    }

    #[test]
    fn halves_and_bytes_leave_the_rest_alone() {
        let page = KipPage::in_image(0, 0x100, b"");
        page.set_word(0x80, u64::MAX);
        page.set_half(0x84, 1);
        assert_eq!(page.word(0x80), 0x1_ffff_ffff);
        page.set_bytes(0x88, &[1, 2, 3]);
        assert_eq!(page.word(0x88), 0x03_0201);
    }
}
