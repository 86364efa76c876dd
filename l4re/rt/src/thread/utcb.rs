//! UTCBs for new threads: out of the area that the loader reserved, then out of pages of their own.
//!
//! A UTCB's free marker is its only bookkeeping: whoever changes it from 0 has the UTCB, and the
//! kernel writes 0 when the thread is gone (`abi/02`).

use core::sync::atomic::{AtomicU64, Ordering};

use alloc::vec::Vec;

use l4_abi::error::ResultCode;
use l4_abi::flexpage::PAGE_SIZE;
use l4_abi::utcb::{FREE_MARKER_OFFSET, SIZE};
use l4_sys::Result;

use crate::env;
use crate::sync::Mutex;

/// Marker of a UTCB in use.
const IN_USE: u64 = 1;

/// Pages that were added to the loader's area.
static ADDED: Mutex<Vec<u64>> = Mutex::new(Vec::new());

/// A UTCB for a new thread; dropped, it is free again.
pub(super) struct Claim {
    address: usize,
}

impl Claim {
    pub(super) fn address(&self) -> usize {
        self.address
    }

    /// Leaves it to the kernel to say when the UTCB is free.
    pub(super) fn keep(self) {
        core::mem::forget(self);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        marker(self.address).store(0, Ordering::Release);
    }
}

/// Finds a free UTCB. Error: what adding memory for more fails with.
pub(super) fn claim() -> Result<Claim> {
    let mut added = ADDED.lock();
    let more = added.iter().flat_map(|page| utcbs(*page, PAGE_SIZE));
    if let Some(claim) = initial_area().chain(more).find_map(try_claim) {
        return Ok(claim);
    }
    let place = env::place().ok_or(ResultCode::ENOMEM)?;
    let page = (place.kernel_user_page)()?;
    added.push(page);
    utcbs(page, PAGE_SIZE)
        .find_map(try_claim)
        .ok_or(ResultCode::ENOMEM.into())
}

/// What the loader left free of the area that it made.
fn initial_area() -> impl Iterator<Item = usize> {
    let (start, end) = env::utcb_area();
    utcbs(start, end.saturating_sub(start))
}

fn utcbs(start: u64, size: u64) -> impl Iterator<Item = usize> {
    (0..size / SIZE as u64).map(move |index| start as usize + index as usize * SIZE)
}

fn try_claim(address: usize) -> Option<Claim> {
    let exchange =
        marker(address).compare_exchange(0, IN_USE, Ordering::Acquire, Ordering::Relaxed);
    // Only a claim that was made may be dropped.
    exchange.is_ok().then(|| Claim { address })
}

fn marker(utcb: usize) -> &'static AtomicU64 {
    // SAFETY: the address is that of a UTCB in kernel-user memory of this task, which is mapped
    // until the task ends; the kernel changes the marker like an atomic.
    unsafe { &*((utcb + FREE_MARKER_OFFSET) as *const AtomicU64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_lasts_until_it_is_dropped_whoever_else_tries() {
        let block = [const { AtomicU64::new(0) }; SIZE / 8];
        let address = block.as_ptr() as usize;
        let claim = try_claim(address);
        assert!(claim.is_some());
        for _ in 0..3 {
            assert!(try_claim(address).is_none());
        }
        drop(claim);
        assert!(try_claim(address).is_some());
    }
}
