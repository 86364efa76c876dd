//! Which capability slots of this task are free.
//!
//! One bit per slot in a fixed bitmap, taken with atomic operations: no lock, no memory, usable
//! from any thread and before the heap exists. A program starts with [`Slots::start_at`]; until
//! then nothing can be allocated.

use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use l4_abi::capability::Selector;

/// Number of slots that a program can have in use beyond its initial ones.
pub const CAPACITY: usize = 8192;

const WORDS: usize = CAPACITY / 64;

/// The slots of this task.
pub static SLOTS: Slots = Slots::new();

/// A set of capability slots.
pub struct Slots {
    /// Index of the slot that bit 0 stands for; 0 until started.
    first: AtomicUsize,
    /// Where the last free slot was found, so that a long run of used slots is not walked again.
    hint: AtomicUsize,
    used: [AtomicU64; WORDS],
}

impl Slots {
    /// A set from which nothing can be taken yet.
    pub const fn new() -> Self {
        Self {
            first: AtomicUsize::new(0),
            hint: AtomicUsize::new(0),
            used: [const { AtomicU64::new(0) }; WORDS],
        }
    }

    /// Opens the slots from index `first` on, all of them free. Only the first call counts.
    pub fn start_at(&self, first: usize) {
        let _ = self
            .first
            .compare_exchange(0, first, Ordering::AcqRel, Ordering::Relaxed);
    }

    /// Takes a free slot.
    pub fn allocate(&self) -> Option<Selector> {
        let first = self.first.load(Ordering::Acquire);
        if first == 0 {
            return None;
        }
        let hint = self.hint.load(Ordering::Relaxed);
        for step in 0..WORDS {
            let index = (hint + step) % WORDS;
            if let Some(bit) = take_bit(&self.used[index]) {
                self.hint.store(index, Ordering::Relaxed);
                return Some(Selector::new((first + index * 64 + bit) as u64));
            }
        }
        None
    }

    /// Gives a slot back. A selector that this set does not manage is ignored.
    pub fn free(&self, selector: Selector) {
        let first = self.first.load(Ordering::Acquire) as u64;
        let Some(offset) = selector.index().checked_sub(first) else {
            return;
        };
        if let Some(word) = self.used.get((offset / 64) as usize) {
            word.fetch_and(!(1 << (offset % 64)), Ordering::AcqRel);
            self.hint.store((offset / 64) as usize, Ordering::Relaxed);
        }
    }

    /// Number of slots in use.
    pub fn used(&self) -> usize {
        self.used
            .iter()
            .map(|word| word.load(Ordering::Relaxed).count_ones() as usize)
            .sum()
    }
}

/// Sets the lowest clear bit of `word`. Another thread's success is the only reason to try again.
fn take_bit(word: &AtomicU64) -> Option<usize> {
    let mut current = word.load(Ordering::Relaxed);
    while current != u64::MAX {
        let bit = current.trailing_ones();
        match word.compare_exchange_weak(
            current,
            current | 1 << bit,
            Ordering::AcqRel,
            Ordering::Relaxed,
        ) {
            Ok(_) => return Some(bit as usize),
            Err(now) => current = now,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_handed_out_before_the_start() {
        assert_eq!(Slots::new().allocate(), None);
    }

    #[test]
    fn every_slot_is_handed_out_once_and_can_come_back() {
        let slots = Slots::new();
        slots.start_at(0x20);
        slots.start_at(0x1000);
        let mut taken = std::collections::BTreeSet::new();
        while let Some(selector) = slots.allocate() {
            assert!(taken.insert(selector.index()));
        }
        assert_eq!(taken.len(), CAPACITY);
        assert_eq!(taken.first(), Some(&0x20));
        assert_eq!(slots.used(), CAPACITY);

        slots.free(Selector::new(0x123));
        assert_eq!(slots.allocate(), Some(Selector::new(0x123)));
        assert_eq!(slots.allocate(), None);
    }

    #[test]
    fn foreign_slots_are_left_alone() {
        let slots = Slots::new();
        slots.start_at(0x20);
        slots.free(Selector::new(3));
        slots.free(Selector::new(0x20 + CAPACITY as u64));
        assert_eq!(slots.used(), 0);
        assert_eq!(slots.allocate(), Some(Selector::new(0x20)));
    }

    #[test]
    fn threads_never_get_the_same_slot() {
        static SHARED: Slots = Slots::new();
        SHARED.start_at(1);
        let threads: Vec<_> = (0..4)
            .map(|_| {
                std::thread::spawn(|| {
                    (0..500)
                        .filter_map(|_| SHARED.allocate())
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        let mut all: Vec<_> = threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .map(|s| s.index())
            .collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 2000);
    }
}
