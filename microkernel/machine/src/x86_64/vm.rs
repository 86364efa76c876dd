//! Virtual machines: by AMD's SVM.

pub use super::svm::{is_supported, mark_pending, run};

use super::context::Context;
use super::entry_format::Format;
use super::irqchip::IrqChip;
use super::paging;
use crate::per_cpu::CpuBlock;
use crate::vcpu::ExtendedPointer;

/// The format of page tables for virtual machines, if it is not that of tasks:
/// the kernel has no part of them.
pub fn format() -> Option<Format> {
    Some(paging::format().for_guests())
}

/// The thread with `context` becomes an extended vCPU with this state, or one
/// that is not extended: the kernel keeps nothing of it, and tells nothing.
pub fn begin(
    _cpu: &CpuBlock,
    _chip: &IrqChip,
    _context: &Context,
    _extended: Option<ExtendedPointer>,
) {
}

/// Another thread is loaded: no guest outlives a kernel entry here.
#[inline]
pub fn switch(_cpu: &CpuBlock, _chip: &IrqChip, _from: &Context, _to: &Context) {}

/// The thread with `context` leaves this CPU, or ends: likewise.
pub fn release(_cpu: &CpuBlock, _chip: &IrqChip, _context: &Context, _is_loaded: bool) {}
