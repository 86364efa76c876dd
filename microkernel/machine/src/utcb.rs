//! The kernel's view of a UTCB: kernel memory that is mapped to user mode.
//!
//! User mode may write to it from another CPU at any moment, so every access
//! is a relaxed atomic of one word and nothing is read twice by those who
//! check what they read.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::arch::copy::copy_words;
use crate::memory::{Shared, SharedPointer};

/// Words in a UTCB (abi/02).
pub const WORDS: usize = 128;

/// One UTCB, or another block of kernel-user memory of that size.
#[repr(C, align(8))]
pub struct Utcb {
    words: [AtomicU64; WORDS],
}

impl Utcb {
    /// A UTCB of its own, for messages of threads that have none.
    pub const fn new() -> Self {
        Self {
            words: [const { AtomicU64::new(0) }; WORDS],
        }
    }

    /// Word `index`; 0 beyond the end.
    #[inline]
    pub fn word(&self, index: usize) -> u64 {
        self.words
            .get(index)
            .map_or(0, |word| word.load(Ordering::Relaxed))
    }

    /// Writes word `index`; nothing beyond the end.
    #[inline]
    pub fn set_word(&self, index: usize, value: u64) {
        if let Some(word) = self.words.get(index) {
            word.store(value, Ordering::Relaxed);
        }
    }

    /// Copies the first `count` words of `from`: message registers, so fewer
    /// than 64.
    #[inline]
    pub fn copy_words(&self, from: &Utcb, count: usize) {
        let count = count % 64;
        // SAFETY: both have so many.
        unsafe { copy_words(self.words.as_ptr(), from.words.as_ptr(), count) };
    }
}

// SAFETY: atomics only.
unsafe impl Shared for Utcb {}

/// Where the kernel finds a thread's UTCB.
pub type UtcbPointer = SharedPointer<Utcb>;
