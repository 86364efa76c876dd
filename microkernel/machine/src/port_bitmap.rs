//! Which I/O ports a task may use.

use core::sync::atomic::{AtomicU64, Ordering};

/// Number of ports of a machine that has ports.
pub const PORTS: usize = 65536;

/// One bit a port, as x86 CPUs read it: a set bit forbids.
#[repr(C)]
pub struct PortBitmap {
    words: [AtomicU64; PORTS / 64],
}

impl PortBitmap {
    /// Forbids all.
    pub const fn new() -> Self {
        Self {
            words: [const { AtomicU64::new(u64::MAX) }; PORTS / 64],
        }
    }

    /// True if the port may be used.
    pub fn is_allowed(&self, port: u16) -> bool {
        let (word, bit) = self.place(port);
        word.load(Ordering::Relaxed) & bit == 0
    }

    /// Allows or forbids a port.
    pub fn set_allowed(&self, port: u16, allowed: bool) {
        let (word, bit) = self.place(port);
        if allowed {
            word.fetch_and(!bit, Ordering::Relaxed);
        } else {
            word.fetch_or(bit, Ordering::Relaxed);
        }
    }

    /// Allows and forbids what `from` does.
    pub fn copy(&self, from: &PortBitmap) {
        for (to, from) in self.words.iter().zip(&from.words) {
            to.store(from.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    fn place(&self, port: u16) -> (&AtomicU64, u64) {
        (&self.words[usize::from(port / 64)], 1 << (port % 64))
    }
}

impl Default for PortBitmap {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_allowed_alone() {
        let (bitmap, copy) = (PortBitmap::new(), PortBitmap::new());
        bitmap.set_allowed(0x3f8, true);
        copy.copy(&bitmap);
        let allowed = |bitmap: &PortBitmap| {
            (0..=u16::MAX)
                .filter(|&port| bitmap.is_allowed(port))
                .count()
        };
        assert!(copy.is_allowed(0x3f8) && allowed(&copy) == 1);
        bitmap.set_allowed(0x3f8, false);
        assert_eq!(allowed(&bitmap), 0);
    }
}
