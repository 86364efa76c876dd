//! Virtual machines: there are none yet.

use super::entry_format::Format;
use crate::guest::{Exit, Guest};
use crate::per_cpu::CpuBlock;
use crate::vcpu::ExtendedArea;

/// Whether the CPUs can run virtual machines.
pub fn is_supported(_cpu: &CpuBlock) -> bool {
    false
}

/// The format of page tables for virtual machines, if it is not that of tasks.
pub fn format() -> Option<Format> {
    None
}

/// Fills in what a new extended vCPU finds in its state.
pub fn begin(_area: &ExtendedArea) {}

/// Runs the guest: virtual machines are ordinary tasks here.
pub fn run(_cpu: &CpuBlock, _area: &ExtendedArea, _guest: &Guest<'_>) -> Exit {
    Exit::Invalid
}

/// Tells in the state that a message waits.
pub fn mark_pending(_area: &ExtendedArea) {}
