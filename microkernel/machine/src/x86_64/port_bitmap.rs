//! Which I/O ports a task may use.

use core::sync::atomic::{AtomicU64, Ordering};

/// Number of ports of a machine that has ports.
pub(super) const PORTS: usize = 65536;

/// One bit a port, as x86 CPUs read it: a set bit forbids.
#[repr(C)]
pub(super) struct PortBitmap {
    words: [AtomicU64; PORTS / 64],
}

impl PortBitmap {
    /// Forbids all.
    pub(super) const fn new() -> Self {
        Self {
            words: [const { AtomicU64::new(u64::MAX) }; PORTS / 64],
        }
    }

    /// True if the port may be used.
    #[cfg(test)]
    pub(super) fn is_allowed(&self, port: u16) -> bool {
        let word = &self.words[usize::from(port / 64)];
        word.load(Ordering::Relaxed) & 1 << (port % 64) == 0
    }

    /// Forbids all.
    pub(super) fn forbid_all(&self) {
        for word in &self.words {
            word.store(u64::MAX, Ordering::Relaxed);
        }
    }

    /// Allows `count` ports from `first` on, as far as there are so many. True
    /// if one of them was forbidden.
    pub(super) fn allow(&self, first: u16, count: usize) -> bool {
        let mut was_forbidden = false;
        let mut port = usize::from(first);
        let end = (port + count).min(PORTS);
        while port < end {
            let bits = (64 - port % 64).min(end - port);
            let mask = u64::MAX >> (64 - bits) << (port % 64);
            was_forbidden |= self.words[port / 64].fetch_and(!mask, Ordering::Relaxed) & mask != 0;
            port += bits;
        }
        was_forbidden
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(bitmap: &PortBitmap) -> Vec<u16> {
        (0..=u16::MAX)
            .filter(|&port| bitmap.is_allowed(port))
            .collect()
    }

    #[test]
    fn ports_are_allowed_alone_and_in_rows() {
        let bitmap = PortBitmap::new();
        assert_eq!(allowed(&bitmap), []);
        assert!(bitmap.allow(0x3f8, 1));
        assert!(!bitmap.allow(0x3f8, 1));
        assert_eq!(allowed(&bitmap), [0x3f8]);
        bitmap.forbid_all();
        assert!(bitmap.allow(60, 200));
        assert_eq!(allowed(&bitmap), (60..260).collect::<Vec<_>>());
    }

    #[test]
    fn no_more_ports_are_allowed_than_there_are() {
        let bitmap = PortBitmap::new();
        bitmap.allow(u16::MAX, 8);
        assert_eq!(allowed(&bitmap), [u16::MAX]);
        bitmap.allow(0, PORTS);
        assert_eq!(allowed(&bitmap).len(), PORTS);
    }
}
