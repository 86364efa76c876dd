//! What the tests of x86_64's translations have for descriptors: whether there
//! are any, and how often they are loaded.

use std::cell::Cell;

use super::x86_64_tlb::{Residence, SPECIAL};
use crate::per_cpu::CpuBlock;
use crate::sync::{AtomicBool, Ordering, const_fn};

std::thread_local! {
    static LOADED: Cell<u32> = const { Cell::new(0) };
}

/// How often descriptors were loaded since the last call.
pub(super) fn take_loaded() -> u32 {
    LOADED.take()
}

pub(super) type Table = AtomicBool;

const_fn! {
    pub(super) fn none() -> Table {
        AtomicBool::new(false)
    }
}

impl Residence {
    pub(super) fn set_descriptors(&self) {
        self.descriptors.store(true, Ordering::Release);
        self.id.store(SPECIAL, Ordering::Relaxed);
    }
}

pub(super) fn load(_cpu: &CpuBlock, space: &Residence) {
    let is_loaded = space.descriptors.load(Ordering::Acquire);
    LOADED.set(LOADED.get() + u32::from(is_loaded));
}

pub(super) fn renew(cpu: &CpuBlock, space: &Residence) {
    load(cpu, space);
}

pub(super) fn leave(_cpu: &CpuBlock) {}
