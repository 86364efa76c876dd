//! I/O ports: there are none.

use super::entry_format::Format;
use crate::per_cpu::CpuBlock;

/// The format of the tables in which tasks' ports are kept: none.
pub fn format() -> Option<Format> {
    None
}

/// Lets user mode on this CPU use the ports that `fill` allows; none.
pub fn allow(_cpu: &CpuBlock, _fill: impl FnOnce(&dyn Fn(u16, usize) -> bool) -> bool) -> bool {
    false
}

/// Lets user mode on this CPU use no ports.
#[inline]
pub fn forbid(_cpu: &CpuBlock) {}
