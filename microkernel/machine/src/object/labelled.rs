//! A place for a counted reference and a number that goes with it, read
//! together without a lock.

use super::{Header, Ref, RefSlot};
use crate::per_cpu::PerCpu;
use crate::sync::{AtomicU64, Ordering, const_fn, fence, spin_loop};

/// A [`RefSlot`] with a label. Who reads it never sees the label of one
/// object with another object.
pub struct LabelledSlot<C: 'static, T: 'static> {
    /// Odd while the two are being changed.
    version: AtomicU64,
    label: AtomicU64,
    object: RefSlot<C, T>,
}

impl<C: 'static, T: 'static> LabelledSlot<C, T> {
    const_fn! {
        /// An empty place, with label 0.
        pub fn empty() -> Self {
            Self {
                version: AtomicU64::new(0),
                label: AtomicU64::new(0),
                object: RefSlot::empty(),
            }
        }
    }

    /// What is here, with its label.
    #[inline]
    pub fn get<'cpu, L>(&self, cpu: &'cpu PerCpu<L>) -> Option<(&'cpu T, u64)> {
        loop {
            let before = self.version.load(Ordering::Acquire);
            let object = self.object.get(cpu);
            // Acquire: the version is read once more after it.
            let label = self.label.load(Ordering::Acquire);
            if before & 1 == 0 && self.version.load(Ordering::Relaxed) == before {
                return object.map(|object| (object, label));
            }
            spin_loop();
        }
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

    /// Puts something else here; what was here comes back. The caller has a
    /// lock that keeps out whoever else would.
    pub fn replace(&self, object: Option<Ref<C, T>>, label: u64) -> Option<Ref<C, T>> {
        let version = self.version.load(Ordering::Relaxed);
        self.version
            .store(version.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::SeqCst);
        self.label.store(label, Ordering::Release);
        let old = self.object.replace(object);
        self.version
            .store(version.wrapping_add(2), Ordering::Release);
        old
    }
}

#[cfg(all(test, loom))]
#[path = "labelled/loom.rs"]
mod loom;
