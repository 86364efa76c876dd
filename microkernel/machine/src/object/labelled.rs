//! A place for a counted reference and a number that goes with it, read
//! together without a lock.

use super::{Header, Ref, RefSlot};
use crate::per_cpu::PerCpu;
use crate::sync::{AtomicU64, Ordering};

/// A [`RefSlot`] with a label. Who reads it never sees the label of one
/// object with another object: while the label changes, nothing is here.
pub struct LabelledSlot<C: 'static, T: 'static> {
    label: AtomicU64,
    object: RefSlot<C, T>,
}

impl<C: 'static, T: 'static> LabelledSlot<C, T> {
    /// A place for `object` with `label`.
    #[inline]
    pub fn new(object: Option<Ref<C, T>>, label: u64) -> Self {
        Self {
            label: AtomicU64::new(label),
            object: RefSlot::new(object),
        }
    }

    /// What is here, with its label. Nothing may be here for a moment, while
    /// another CPU puts something else here.
    #[inline]
    pub fn get<'cpu, L>(&self, cpu: &'cpu PerCpu<L>) -> Option<(&'cpu T, u64)> {
        let object = self.object.get(cpu)?;
        // Acquire: what is here is looked at once more after it. A label that
        // is new was stored when nothing was here.
        let label = self.label.load(Ordering::Acquire);
        self.object.is(object).then_some((object, label))
    }

    /// The header of what is here.
    #[inline]
    pub fn header<'cpu, L>(&self, cpu: &'cpu PerCpu<L>) -> Option<&'cpu Header<C>> {
        self.object.header(cpu)
    }

    /// True if nothing is here.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.object.is_empty()
    }

    /// The label alone.
    #[inline]
    pub fn label(&self) -> u64 {
        self.label.load(Ordering::Relaxed)
    }

    /// Empties the place; what was here comes back.
    pub fn take(&self) -> Option<Ref<C, T>> {
        self.object.replace(None)
    }

    /// Puts something else here; what was here comes back. The caller has a
    /// lock that keeps out whoever else would.
    pub fn replace(&self, object: Option<Ref<C, T>>, label: u64) -> Option<Ref<C, T>> {
        let old = self.take();
        self.label.store(label, Ordering::Release);
        self.object.replace(object);
        old
    }
}

#[cfg(all(test, loom))]
#[path = "labelled/loom.rs"]
mod loom;
