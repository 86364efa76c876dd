//! l4virtio: virtio over IPC gates, label zero. Interrupts by the [icu](super::icu) protocol.
//!
//! Source: `abi/08` §9.

/// First word of the configuration page.
pub const MAGIC: u32 = 0x7472_6976;
/// Version of the page.
pub const VERSION: u32 = 2;
/// Vendor.
pub const VENDOR: u32 = 0x44;

/// The configuration page; the device's own configuration follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct ConfigHeader {
    /// [`MAGIC`].
    pub magic: u32,
    /// [`VERSION`].
    pub version: u32,
    /// Kind of device.
    pub device: u32,
    /// [`VENDOR`].
    pub vendor: u32,
    /// Features of the device, part `device_features_select`.
    pub device_features: u32,
    /// Which part.
    pub device_features_select: u32,
    /// Zero.
    pub reserved_18: [u32; 2],
    /// Features that the driver takes, part `driver_features_select`.
    pub driver_features: u32,
    /// Which part.
    pub driver_features_select: u32,
    /// Number of queues.
    pub queue_count: u32,
    /// Byte offset of the [`QueueConfig`]s.
    pub queues_offset: u32,
    /// Which queue the queue fields are for.
    pub queue_select: u32,
    /// Largest size of the queue.
    pub queue_size_max: u32,
    /// Size of the queue.
    pub queue_size: u32,
    /// Zero.
    pub reserved_3c: [u32; 2],
    /// Whether the queue is used.
    pub queue_ready: u32,
    /// Zero.
    pub reserved_48: [u32; 2],
    /// Notification by store.
    pub queue_notify: u32,
    /// Zero.
    pub reserved_54: [u32; 3],
    /// Why the driver was interrupted: 1 queue, 2 configuration.
    pub irq_status: u32,
    /// Acknowledged causes.
    pub irq_acknowledge: u32,
    /// Zero.
    pub reserved_68: [u32; 2],
    /// Device status.
    pub status: u32,
    /// Interrupt that tells the driver of a configuration change.
    pub driver_notify_index: u32,
    /// Interrupt that tells the device of a command.
    pub device_notify_index: u32,
    /// Command to the device, see [`command`]; it clears the word.
    pub command: u32,
    /// Address of the descriptors.
    pub queue_descriptors: u64,
    /// Zero.
    pub reserved_88: u64,
    /// Address of the available ring.
    pub queue_available: u64,
    /// Zero.
    pub reserved_98: u64,
    /// Address of the used ring.
    pub queue_used: u64,
    /// Zero.
    pub reserved_a8: u32,
    /// Shared memory region.
    pub shared_select: u32,
    /// Its length.
    pub shared_length: u64,
    /// Its address.
    pub shared_base: u64,
    /// Features of the device.
    pub device_features_map: [u32; 6],
    /// Zero.
    pub reserved_d8: [u32; 2],
    /// Features that the driver takes.
    pub driver_features_map: [u32; 6],
    /// Zero.
    pub reserved_f8: u32,
    /// Changes with every change of the configuration.
    pub generation: u32,
}

/// One queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct QueueConfig {
    /// Largest size.
    pub size_max: u16,
    /// Size.
    pub size: u16,
    /// Whether it is used.
    pub ready: u16,
    /// Interrupt that tells the driver.
    pub driver_notify_index: u16,
    /// Address of the descriptors.
    pub descriptors: u64,
    /// Address of the available ring.
    pub available: u64,
    /// Address of the used ring.
    pub used: u64,
    /// Interrupt that tells the device.
    pub device_notify_index: u16,
    /// Zero.
    pub reserved_22: [u16; 3],
}

/// Commands; the low bits are an argument.
pub mod command {
    /// Set the status.
    pub const SET_STATUS: u32 = 0x0100_0000;
    /// Configure a queue.
    pub const CONFIG_QUEUE: u32 = 0x0200_0000;
    /// The configuration has changed.
    pub const CONFIG_CHANGED: u32 = 0x0400_0000;
    /// Notify a queue.
    pub const NOTIFY_QUEUE: u32 = 0x0800_0000;
}

/// Feature bit: virtio version 1.
pub const FEATURE_VERSION_1: u32 = 32;
/// Feature bit: commands go through the configuration page.
pub const FEATURE_COMMAND: u32 = 160;
/// Status: the device needs a reset.
pub const STATUS_NEEDS_RESET: u32 = 0x40;
/// Status: the driver has given up.
pub const STATUS_FAILED: u32 = 0x80;
