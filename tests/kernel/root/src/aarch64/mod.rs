//! The machine.

/// The real-time clock's registers, on QEMU's `virt` machine.
pub(crate) const DEVICE: u64 = 0x0901_0000;
