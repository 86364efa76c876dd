//! I/O ports: nobody uses them here, but tasks have them.

use super::entry_format::{Format, x86_64};
use crate::per_cpu::CpuBlock;

/// The format of the tables in which tasks' ports are kept.
pub fn format() -> Option<Format> {
    Some(Format::X86_64(x86_64::Format::IO_PORTS))
}

/// Lets user mode on this CPU use the ports that `fill` allows; none.
pub fn allow(_cpu: &CpuBlock, _fill: impl FnOnce(&dyn Fn(u16, usize) -> bool) -> bool) -> bool {
    false
}

/// Lets user mode on this CPU use no ports.
#[inline]
pub fn forbid(_cpu: &CpuBlock) {}
