//! What the tests of x86_64's translations have for hardware: it counts.

use std::cell::Cell;

use super::paging::Root;
use crate::per_cpu::CpuBlock;

std::thread_local! {
    static FLUSHES: Cell<u32> = const { Cell::new(0) };
}

/// How many flushes there were since the last call.
pub(super) fn take_count() -> u32 {
    FLUSHES.take()
}

fn count() {
    FLUSHES.set(FLUSHES.get() + 1);
}

pub(super) fn word(_cpu: &CpuBlock, _root: Root, _id: u16) -> u64 {
    0
}

pub(super) fn activate(_cpu: &CpuBlock, _word: u64, is_kept: bool) -> bool {
    if !is_kept {
        count();
    }
    true
}

pub(super) fn page(_cpu: &CpuBlock, _address: u64) {
    count();
}

pub(super) fn all(_cpu: &CpuBlock) {
    count();
}
