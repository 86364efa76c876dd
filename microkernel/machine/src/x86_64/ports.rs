//! I/O ports: which of them user mode may use.
//!
//! A task's ports are a [`PortBitmap`] in kernel memory. The CPU only looks
//! at the one behind its task state segment, so the kernel copies the task's
//! there when a thread of it is refused a port, and forbids all ports when
//! another task runs ([`forbid`]). Programs without ports pay one store.

use core::cell::Cell;

use crate::per_cpu::CpuBlock;

/// Number of ports.
pub const PORTS: u32 = 65536;

/// Which ports may be used: a set bit forbids.
#[repr(C)]
pub struct PortBitmap {
    words: [Cell<u64>; PORTS as usize / 64],
    /// The CPU reads one byte more than the last port's.
    end: Cell<u64>,
}

impl PortBitmap {
    /// Forbids all.
    pub const fn new() -> Self {
        Self {
            words: [const { Cell::new(u64::MAX) }; PORTS as usize / 64],
            end: Cell::new(u64::MAX),
        }
    }

    fn copy(&self, from: &PortBitmap) {
        for (to, from) in self.words.iter().zip(&from.words) {
            to.set(from.get());
        }
    }

    /// True if port `port` may be used.
    pub fn is_allowed(&self, port: u16) -> bool {
        let word = &self.words[usize::from(port / 64)];
        word.get() & 1 << (port % 64) == 0
    }

    /// Allows or forbids port `port`.
    pub fn set_allowed(&self, port: u16, allowed: bool) {
        let word = &self.words[usize::from(port / 64)];
        let bit = 1 << (port % 64);
        word.set(if allowed { word.get() & !bit } else { word.get() | bit });
    }
}

impl Default for PortBitmap {
    fn default() -> Self {
        Self::new()
    }
}

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
