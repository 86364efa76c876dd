//! What aarch64's translations have for hardware where loom tries them.

use super::platform;

/// Barriers order as those between CPUs do; what else there is forgets.
macro_rules! barrier {
    ("dsb ish") => {
        crate::sync::fence(crate::sync::Ordering::SeqCst)
    };
    ($other:literal) => {};
}

mod paging {
    #[derive(Clone, Copy)]
    pub(super) struct Root(pub(super) u64);

    impl Root {
        pub(super) const fn kernel() -> Self {
            Self(0)
        }
    }
}

/// Notes what all CPUs are told to forget.
mod invalidate {
    use std::cell::RefCell;

    std::thread_local! {
        static FORGOTTEN: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
    }

    /// The VMIDs whose translations were forgotten since the last call.
    pub(super) fn take_forgotten() -> Vec<usize> {
        FORGOTTEN.take()
    }

    pub(super) fn activate(_word: u64) {}

    pub(super) fn forget_page(_address: u64, vmid: usize) {
        FORGOTTEN.with_borrow_mut(|forgotten| forgotten.push(vmid));
    }

    pub(super) fn forget_space(vmid: usize) {
        FORGOTTEN.with_borrow_mut(|forgotten| forgotten.push(vmid));
    }
}

#[path = "../aarch64/tlb.rs"]
#[allow(
    unreachable_pub,
    dead_code,
    reason = "public on the machine that it is for"
)]
mod tlb;
