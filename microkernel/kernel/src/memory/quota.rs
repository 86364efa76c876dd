//! Quotas: how much kernel memory the objects of a factory may take.
//!
//! A factory's quota is taken from the parent's whole when it is made, so a charge looks at one
//! counter only. A quota stays as long as something is charged to it, even when its factory is
//! gone; then nothing more can be charged.

use machine::handle::Handle;
use machine::sync::{AtomicU64, Ordering};

use super::OutOfMemory;

/// A reference to a quota. Good while something that its holder owns is charged to the quota,
/// or while the memory of its factory is there.
pub type QuotaRef = Handle<Quota>;

/// A limit in bytes, and what of it is used.
pub struct Quota {
    pub(super) limit: u64,
    /// Used bytes; above them [`OPEN`].
    pub(super) used: AtomicU64,
    parent: Option<QuotaRef>,
    /// Number of ancestors.
    depth: u8,
}

/// How deep factories may be nested. When the last user of a chain of quotas goes, all of them
/// are freed at once, so the chain must not be long.
const MAX_DEPTH: u8 = 32;

/// The factory is still there.
pub(super) const OPEN: u64 = 1 << 63;
/// Stands for no limit, and is the largest one.
pub(super) const UNLIMITED: u64 = OPEN - 1;

impl Quota {
    /// The quota of the root factory, which has no limit.
    pub(super) fn root() -> Quota {
        Quota {
            limit: UNLIMITED,
            used: AtomicU64::new(OPEN),
            parent: None,
            depth: 0,
        }
    }

    /// Takes `limit` bytes, and what the quota itself needs, from `parent`.
    pub(super) fn split_off(
        parent: QuotaRef,
        limit: u64,
        own_size: u64,
    ) -> Result<Quota, OutOfMemory> {
        if limit == 0 || parent.depth == MAX_DEPTH {
            return Err(OutOfMemory);
        }
        parent.charge(limit.checked_add(own_size).ok_or(OutOfMemory)?)?;
        Ok(Quota {
            limit,
            used: AtomicU64::new(OPEN),
            parent: Some(parent),
            depth: parent.depth + 1,
        })
    }

    /// Takes `bytes` out of the quota.
    pub(super) fn charge(&self, bytes: u64) -> Result<(), OutOfMemory> {
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                let free = self.limit - (used & !OPEN);
                (used & OPEN != 0 && bytes <= free).then(|| used + bytes)
            })
            .map_or(Err(OutOfMemory), |_| Ok(()))
    }

    /// Puts `bytes` back. True if the quota is of no use any more: the caller frees it.
    #[must_use]
    pub(super) fn credit(&self, bytes: u64) -> bool {
        let before = self.used.fetch_sub(bytes, Ordering::AcqRel);
        debug_assert!(before & !OPEN >= bytes, "more given back than taken");
        before == bytes
    }

    /// The factory goes: nothing more can be charged. True if the caller frees the quota.
    #[must_use]
    pub(super) fn close(&self) -> bool {
        self.used.fetch_and(!OPEN, Ordering::AcqRel) == OPEN
    }

    /// What it was taken from.
    #[cfg(test)]
    pub(crate) fn parent(&self) -> Option<QuotaRef> {
        self.parent
    }

    /// The parent, and what the quota took from it.
    pub(super) fn taken_from(&self, own_size: u64) -> Option<(QuotaRef, u64)> {
        Some((self.parent?, self.limit + own_size))
    }
}
