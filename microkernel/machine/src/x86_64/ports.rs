//! I/O ports: which of them user mode may use.
//!
//! The CPU only looks at the bitmap behind its task state segment, so the
//! kernel copies the task's there when a thread of it is refused a port, and
//! forbids all ports when another task runs. Programs without ports pay one
//! store.

use crate::per_cpu::CpuBlock;
use crate::port_bitmap::PortBitmap;

/// Whether this machine has I/O ports.
pub const EXIST: bool = true;

/// Lets user mode on this CPU use the ports that `bitmap` allows, as they
/// are now, until [`forbid`].
pub fn allow(cpu: &CpuBlock, bitmap: &PortBitmap) {
    cpu.arch.ports().copy(bitmap);
    cpu.arch.allow_ports(true);
}

/// Lets user mode on this CPU use no ports. Due when a thread of another
/// task is switched to, and when a task loses ports.
#[inline]
pub fn forbid(cpu: &CpuBlock) {
    cpu.arch.allow_ports(false);
}
