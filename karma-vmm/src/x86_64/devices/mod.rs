//! Devices of a PC.

pub mod clock;
pub mod local_apic;
pub mod paravirtual_clock;
pub mod pci;
pub mod pic;
pub mod pit;
pub mod serial;
mod virtio_pci;
