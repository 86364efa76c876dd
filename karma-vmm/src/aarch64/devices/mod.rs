//! Devices of the machine of aarch64.

pub mod gic;
pub mod pl011;
#[cfg(feature = "virtio")]
pub mod virtio_mmio;
