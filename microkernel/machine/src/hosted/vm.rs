//! Virtual machines that do nothing: the first word of the extended state
//! says how a run ends.

use core::sync::atomic::Ordering::Relaxed;

use l4_abi::arch::native::vcpu::EXTENDED_STATE_OFFSET;

use super::context::Context;
use super::entry_format::Format;
use super::irqchip::IrqChip;
use super::paging;
use crate::guest::{Exit, Guest};
use crate::per_cpu::CpuBlock;
use crate::vcpu::{ExtendedArea, ExtendedPointer};

/// The run ends with an interrupt; any other number is an exit for the VMM.
pub const INTERRUPT: u64 = 1;
/// The guest does not run.
pub const INVALID: u64 = 2;
/// What [`mark_pending`] writes.
pub const PENDING: u64 = 0x60;

/// Whether the CPUs can run virtual machines.
pub fn is_supported(_cpu: &CpuBlock) -> bool {
    true
}

/// The format of page tables for virtual machines, if it is not that of tasks.
pub fn format() -> Option<Format> {
    Some(paging::format())
}

/// The thread with `context` becomes an extended vCPU with this state, or one
/// that is not extended.
pub fn begin(
    _cpu: &CpuBlock,
    _chip: &IrqChip,
    _context: &Context,
    _extended: Option<ExtendedPointer>,
) {
}

/// Says how runs end from now on.
pub fn set_end(area: &ExtendedArea, end: u64) {
    area.words::<EXTENDED_STATE_OFFSET>()[0].store(end, Relaxed);
}

/// How runs end.
pub fn end(area: &ExtendedArea) -> u64 {
    area.words::<EXTENDED_STATE_OFFSET>()[0].load(Relaxed)
}

/// Runs the guest.
pub fn run(_cpu: &CpuBlock, area: &ExtendedArea, _guest: &Guest<'_>) -> Exit {
    match end(area) {
        INTERRUPT => Exit::Interrupt,
        INVALID => Exit::Invalid,
        _ => Exit::Vmm,
    }
}

/// Tells in the state that a message waits.
pub fn mark_pending(_cpu: &CpuBlock, area: &ExtendedArea) {
    set_end(area, PENDING);
}

/// Another thread is loaded: no guest outlives a kernel entry here.
#[inline]
pub fn switch(_cpu: &CpuBlock, _chip: &IrqChip, _from: &Context, _to: &Context) {}

/// The thread with `context` leaves this CPU, or ends: likewise.
pub fn release(_cpu: &CpuBlock, _context: &Context) {}
