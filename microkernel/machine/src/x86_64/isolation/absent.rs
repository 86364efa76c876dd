//! In place of page-table isolation in kernels without it, which do not start where it is wanted.
//! What each function does otherwise is said in `isolation.rs`.

mod need;

use super::cpu::Tables;
use super::paging::PageTable;
use super::{syscall, trap};
use crate::per_cpu::CpuBlock;

/// User mode's space is the one in CR3. The array is for C, which knows no empty structures.
#[repr(C)]
pub(super) struct State([u8; 0]);

impl State {
    pub(super) fn new() -> Self {
        Self([])
    }

    #[inline(always)]
    pub(super) fn set_root(&self, _next: u64, _kept: u64) -> Option<bool> {
        None
    }

    #[inline(always)]
    pub(super) fn forget(&self) -> bool {
        false
    }
}

/// No way leads elsewhere.
macro_rules! detour {
    ($to:literal) => {
        ""
    };
}
pub(super) use detour;

/// It never does.
#[inline(always)]
pub(super) fn is_on() -> bool {
    false
}

/// Ends a kernel from which user mode could read, unless the command line says that it may.
pub(super) fn initialise() {
    assert!(
        !need::is_wanted(),
        "this kernel has no page-table isolation, which the processor needs or -isolate=on asks for; \
         build it with the feature isolation, or run it without by -isolate=off"
    );
}

/// Tasks have all of the kernel's half.
pub(super) fn share(_table: usize, _index: usize, _entry: u64) {}

/// There are no tables of its own.
pub(super) fn link(_first: usize, _directory: &PageTable) -> u64 {
    0
}

/// Where they are.
pub(super) fn map_tables(_id: u32, tables: &Tables) -> u64 {
    core::ptr::from_ref(tables).addr() as u64
}

/// The same on each CPU.
pub(super) fn entries(_id: u32) -> [u64; 2] {
    let entries = [
        syscall::entry as *const (),
        trap::entry_from_compatibility_mode as *const (),
    ];
    entries.map(|entry| entry as u64)
}

/// There is no exit stack.
pub(super) fn attach(_block: &CpuBlock) {}
