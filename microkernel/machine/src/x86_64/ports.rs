//! I/O ports: which of them user mode may use.
//!
//! The CPU only looks at the bitmap behind its task state segment. It is
//! filled when a thread is refused a port that its task has, and is out of
//! force when another task runs.

use super::entry_format::Format;
use crate::per_cpu::CpuBlock;

/// The format of the tables in which tasks' ports are kept; none on a machine
/// without ports.
pub fn format() -> Option<Format> {
    Some(Format::IO_PORTS)
}

/// Lets user mode on this CPU use also the ports for which `fill` calls, until
/// [`forbid`]; what that says. It tells the first port and how many; whether one
/// of them was forbidden is the answer.
pub fn allow(cpu: &CpuBlock, fill: impl FnOnce(&dyn Fn(u16, usize) -> bool) -> bool) -> bool {
    let bitmap = &cpu.arch.tables().task_state.ports;
    if !cpu.arch.are_ports_allowed() {
        bitmap.forbid_all();
        cpu.arch.allow_ports(true);
        cpu.arch.has_more.set(true);
    }
    fill(&|first, count| bitmap.allow(first, count))
}

/// Lets user mode on this CPU use no ports. Due when a task's ports change.
#[inline]
pub fn forbid(cpu: &CpuBlock) {
    cpu.arch.allow_ports(false);
}
