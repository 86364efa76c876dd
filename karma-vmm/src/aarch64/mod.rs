//! The machine that a guest finds on aarch64, as a device tree tells it: a CPU with a GIC of version 3
//! and a virtual timer, PSCI, a serial port, and virtio devices with registers in memory.
//!
//! [`kernel_image`] loads Linux, with the [`device_tree`]; [`platform`] has the table of devices;
//! [`access`] says what the guest did to a device; [`psci`] and [`system_register`] are what it asks of
//! the firmware and of the CPU.

pub mod access;
pub mod device_tree;
pub mod devices;
#[cfg_attr(not(feature = "gic-v2"), path = "gic_version/absent.rs")]
pub mod gic_version;
pub mod kernel_image;
pub mod platform;
pub mod psci;
pub mod system_register;
