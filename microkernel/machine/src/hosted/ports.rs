//! I/O ports: nobody uses them here, but tasks have them.

use crate::per_cpu::CpuBlock;
use crate::port_bitmap::PortBitmap;

/// Whether this machine has I/O ports.
pub const EXIST: bool = true;

/// Lets user mode on this CPU use the ports that `bitmap` allows.
pub fn allow(_cpu: &CpuBlock, _bitmap: &PortBitmap) {}

/// Lets user mode on this CPU use no ports.
#[inline]
pub fn forbid(_cpu: &CpuBlock) {}
