//! I/O ports: there are none.

use crate::per_cpu::CpuBlock;
use crate::port_bitmap::PortBitmap;

/// Whether this machine has I/O ports.
pub const EXIST: bool = false;

/// Lets user mode on this CPU use ports.
pub fn allow(_cpu: &CpuBlock, _bitmap: &PortBitmap) {}

/// Lets user mode on this CPU use no ports.
#[inline]
pub fn forbid(_cpu: &CpuBlock) {}
