//! Devices of a PC.

pub mod clock;
#[cfg_attr(not(feature = "smp"), path = "no_local_apic.rs")]
pub mod local_apic;
pub mod paravirtual_clock;
#[cfg(feature = "virtio")]
pub mod pci;
pub mod pic;
pub mod pit;
pub mod serial;
#[cfg(feature = "virtio")]
pub mod virtio_pci;
