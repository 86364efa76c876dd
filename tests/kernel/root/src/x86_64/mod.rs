//! The machine.

/// The HPET's registers.
pub(crate) const DEVICE: u64 = 0xfed0_0000;
