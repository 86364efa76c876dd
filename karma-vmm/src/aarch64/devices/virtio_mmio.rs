//! Virtio over registers in memory (§4.2).

use crate::aarch64::platform::VIRTIO_SIZE;
use crate::devices::virtio::{Devices, Part, Transport};
use l4_memory::Memory;

/// Where the configuration of the device's type begins.
const CONFIGURATION: u64 = 0x100;

const MAGIC: u32 = u32::from_le_bytes(*b"virt");
const VERSION: u32 = 2;
const VENDOR: u32 = u32::from_le_bytes(*b"BRIO");

/// The places of devices, one behind the other.
pub struct Bus<M> {
    /// What is plugged in.
    pub devices: Devices<M>,
}

impl<M: Memory> Bus<M> {
    /// These devices.
    pub fn new(devices: Devices<M>) -> Self {
        Self { devices }
    }

    /// The guest reads `size` bytes at an offset of all places, if a device is there.
    pub fn read(&mut self, offset: u64, size: u8) -> Option<u64> {
        let device = self.devices.get_mut((offset / VIRTIO_SIZE) as usize)?;
        Some(device.read_register(offset % VIRTIO_SIZE, size))
    }

    /// The guest writes there.
    pub fn write(&mut self, offset: u64, _size: u8, value: u32, memory: &M) {
        if let Some(device) = self.devices.get_mut((offset / VIRTIO_SIZE) as usize) {
            device.write_register(offset % VIRTIO_SIZE, value, memory);
        }
    }
}

impl<M: Memory> Transport<M> {
    /// The guest reads `size` bytes at an offset.
    pub fn read_register(&mut self, offset: u64, size: u8) -> u64 {
        if let Some(offset) = offset.checked_sub(CONFIGURATION) {
            let byte = |index: u64| {
                let byte = self.configuration((offset + index) as usize);
                u64::from(byte) << (8 * index)
            };
            return (0..u64::from(size.min(8))).map(byte).sum();
        }
        let value = match offset {
            0x00 => MAGIC,
            0x04 => VERSION,
            0x08 => self.kind().into(),
            0x0c => VENDOR,
            0x10 => self.device_features(),
            0x34 if self.queue().is_some() => self.device.queue_size().into(),
            0x44 => self.is_queue_ready().into(),
            0x60 => self.interrupts.into(),
            0x70 => self.status.into(),
            _ => 0,
        };
        value.into()
    }

    /// The guest writes there.
    pub fn write_register(&mut self, offset: u64, value: u32, memory: &M) {
        match offset {
            0x14 => self.feature_pages[0] = value,
            0x20 => self.set_driver_features(value),
            0x24 => self.feature_pages[1] = value,
            0x30 => self.selected = value as u16,
            0x38 => self.set_queue_size(value as u16),
            0x44 => self.set_queue_ready(value & 1 != 0),
            0x50 => self.notify(value, memory),
            0x64 => self.interrupts &= !(value as u8),
            0x70 => self.set_status(value as u8, memory),
            0x80 | 0x84 => self.set_queue_address(Part::Descriptors, offset == 0x84, value),
            0x90 | 0x94 => self.set_queue_address(Part::Available, offset == 0x94, value),
            0xa0 | 0xa4 => self.set_queue_address(Part::Used, offset == 0xa4, value),
            _ => {}
        }
    }
}
