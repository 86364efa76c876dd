//! In place of VMX in kernels without it: a CPU that has nothing else has no virtual machines.

use super::entry_format::Format;
use crate::guest::{Exit, Guest};
use crate::per_cpu::CpuBlock;
use crate::vcpu::ExtendedArea;

/// Nothing is kept. The array is for C, which knows no empty structures.
#[repr(C)]
pub(super) struct State([u8; 0]);

impl State {
    pub(super) const fn new() -> Self {
        Self([])
    }
}

/// The CPU stays as it is.
pub(super) fn attach(_cpu: &CpuBlock) {}

/// It never is.
#[inline(always)]
pub(super) fn is_supported(_cpu: &CpuBlock) -> bool {
    false
}

/// There are no other page tables than those of SVM.
pub(super) fn format(_format: Format) -> Option<Format> {
    None
}

/// Nothing is told.
pub(super) fn begin(_cpu: &CpuBlock, _area: &ExtendedArea) {}

/// Nobody asks.
pub(super) fn mark_pending(_area: &ExtendedArea) {}

/// No guest can run.
#[cold]
pub(super) fn run(_cpu: &CpuBlock, _area: &ExtendedArea, _guest: &Guest<'_>) -> Exit {
    Exit::Invalid
}
