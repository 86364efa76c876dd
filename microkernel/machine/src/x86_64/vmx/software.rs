//! The software VMCS: what the user wants, and what it is told (abi/06 §5.2).
//!
//! Each value is read once, for other threads may change it at any time.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use l4_abi::arch::x86_64::vcpu::EXTENDED_STATE_OFFSET;
use l4_abi::arch::x86_64::vmx::{NO_CONTEXT, TABLE, at, field, offset, width};

use crate::vcpu::ExtendedArea;

pub(super) struct Software<'a>(&'a [AtomicU64]);

impl<'a> Software<'a> {
    pub(super) fn of(area: &'a ExtendedArea) -> Self {
        Self(area.words::<EXTENDED_STATE_OFFSET>())
    }

    /// Empties it, and tells where its fields are.
    pub(super) fn initialise(&self) {
        for word in &self.0[at::VALUES / 8..at::END / 8] {
            word.store(0, Relaxed);
        }
        self.0[at::CR2_FIELD / 8].store(u64::from(field::CR2), Relaxed);
        self.0[at::CONTEXT / 8].store(NO_CONTEXT, Relaxed);
        let (words, _) = TABLE.as_chunks();
        for (to, from) in self.0[at::TABLE / 8..].iter().zip(words) {
            to.store(u64::from_le_bytes(*from), Relaxed);
        }
    }

    /// The word in which a field's value is, and how far up.
    fn place(&self, field: u32) -> (&AtomicU64, u32) {
        let at = at::VALUES + offset(field);
        (&self.0[at / 8], at as u32 % 8 * 8)
    }

    pub(super) fn get(&self, field: u32) -> u64 {
        let (word, shift) = self.place(field);
        word.load(Relaxed) >> shift & mask(field)
    }

    pub(super) fn set(&self, field: u32, value: u64) {
        let (word, shift) = self.place(field);
        let others = word.load(Relaxed) & !(mask(field) << shift);
        word.store(others | (value & mask(field)) << shift, Relaxed);
    }

    /// Whether the user has changed a field since this was asked last.
    pub(super) fn take_changed(&self, field: u32) -> bool {
        let bit = offset(field);
        let (word, bit) = (&self.0[at::CHANGED / 8 + bit / 64], 1 << (bit % 64));
        word.load(Relaxed) & bit != 0 && word.fetch_and(!bit, Relaxed) & bit != 0
    }
}

fn mask(field: u32) -> u64 {
    u64::MAX >> (64 - width(field))
}
