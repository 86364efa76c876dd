//! Virtio over PCI (§4.1), all in one window of I/O ports, with the interrupt line.

use super::pci::{self, Function, Identity, Pci};
use crate::devices::virtio::{Devices, MAX_QUEUES, Part, Transport, page};
use crate::x86_64::platform::line_of;
use l4_memory::Memory;

/// Window of the first device; those of the others follow.
const WINDOWS: u16 = 0xc000;

/// The bus with the devices on it.
pub struct Bus<M> {
    pci: Pci,
    /// By device number on the bus, from 1 on.
    pub devices: Devices<M>,
}

impl<M: Memory> Bus<M> {
    /// A bus of these devices, as far as there is room.
    pub fn new(devices: Devices<M>) -> Self {
        let mut pci = Pci::default();
        for (number, device) in devices.iter().enumerate() {
            let window = WINDOWS + number as u16 * pci::WINDOW;
            pci.add(device.function(window, line_of(number)));
        }
        Self { pci, devices }
    }

    /// A guest's CPU reads `size` bytes from a port, if something of the bus is there.
    pub fn read(&mut self, port: u16, size: u8) -> Option<u32> {
        if pci::PORTS.contains(&port) {
            return Some(self.pci.read(port, size));
        }
        let (device, offset) = self.at(port)?;
        Some(device.read_port(offset, size))
    }

    /// A guest's CPU writes a port.
    pub fn write(&mut self, port: u16, size: u8, value: u32, memory: &M) {
        if pci::PORTS.contains(&port) {
            self.pci.write(port, size, value);
        } else if let Some((device, offset)) = self.at(port) {
            device.write_port(offset, value, memory);
        }
    }

    /// The device that has a port in its window, with the offset there.
    fn at(&mut self, port: u16) -> Option<(&mut Transport<M>, u16)> {
        let (number, offset) = self.pci.find(port)?;
        Some((self.devices.get_mut(number - 1)?, offset))
    }
}

/// Where the parts are in the window.
const COMMON: u16 = 0;
const COMMON_BYTES: u16 = 56;
const INTERRUPT_STATUS: u16 = 56;
const NOTIFY: u16 = 60;
const CONFIGURATION: u16 = 64;
const CONFIGURATION_BYTES: u16 = 64;

/// Vendor of all virtio devices.
const VENDOR: u32 = 0x1af4;
/// No interrupt message is used.
const NO_VECTOR: u32 = 0xffff;

impl<M: Memory> Transport<M> {
    /// The function of this device on the bus, with its window at `port`.
    pub fn function(&self, port: u16, irq: u8) -> Function {
        let device = (0x1040 + u32::from(self.kind())) << 16 | VENDOR;
        // The class tells systems little; revision 1 is what has no older interface.
        let identity = Identity {
            device,
            class: 0xff00_0001,
            subsystem: device,
        };
        Function::new(identity, port, irq, &capabilities())
    }

    /// The guest reads `size` bytes at an offset of the window.
    pub fn read_port(&mut self, offset: u16, size: u8) -> u32 {
        match offset {
            INTERRUPT_STATUS => {
                // Reading acknowledges.
                core::mem::take(&mut self.interrupts).into()
            }
            CONFIGURATION.. => {
                let byte = |index| {
                    let offset = usize::from(offset - CONFIGURATION) + index;
                    u32::from(self.configuration(offset)) << (8 * index)
                };
                (0..usize::from(size)).map(byte).sum()
            }
            COMMON..COMMON_BYTES => self.read_common(offset),
            _ => 0,
        }
    }

    /// The guest writes there.
    pub fn write_port(&mut self, offset: u16, value: u32, memory: &M) {
        match offset {
            0 => self.feature_pages[0] = value,
            8 => self.feature_pages[1] = value,
            12 => self.set_driver_features(value),
            20 => self.set_status(value as u8, memory),
            22 => self.selected = value as u16,
            24 => self.set_queue_size(value as u16),
            28 => self.set_queue_ready(value & 1 != 0),
            32 | 36 => self.set_queue_address(Part::Descriptors, offset == 36, value),
            40 | 44 => self.set_queue_address(Part::Available, offset == 44, value),
            48 | 52 => self.set_queue_address(Part::Used, offset == 52, value),
            NOTIFY => self.notify(value & 0xffff, memory),
            _ => {}
        }
    }

    fn read_common(&mut self, offset: u16) -> u32 {
        let mut half = |part, high| {
            let address = self.queue_address(part);
            (if high { address >> 32 } else { address }) as u32
        };
        match offset {
            0 => self.feature_pages[0],
            4 => self.device_features(),
            8 => self.feature_pages[1],
            12 => self.driver_features(),
            16 | 26 => NO_VECTOR,
            18 => self.queues.len() as u32,
            20 => self.status.into(),
            22 => self.selected.into(),
            24 => self.queue_size().into(),
            28 => self.is_queue_ready().into(),
            32 => half(Part::Descriptors, false),
            36 => half(Part::Descriptors, true),
            40 => half(Part::Available, false),
            44 => half(Part::Available, true),
            48 => half(Part::Used, false),
            52 => half(Part::Used, true),
            // Generation of the configuration, which never changes; the one place of all notifications.
            _ => 0,
        }
    }

    fn driver_features(&self) -> u32 {
        page(self.driver_features, self.feature_pages[1])
    }

    /// 0 if there is no such queue.
    fn queue_size(&mut self) -> u16 {
        self.queue().map_or(0, |queue| queue.size)
    }

    fn queue_address(&mut self, part: Part) -> u64 {
        self.queue().map_or(0, |queue| queue.parts[part as usize])
    }
}

/// The list of the four parts (§4.1.4): all in window 0.
fn capabilities() -> [u32; 17] {
    const COMMON_PART: u32 = 1;
    const NOTIFY_PART: u32 = 2;
    const INTERRUPT_PART: u32 = 3;
    const CONFIGURATION_PART: u32 = 4;
    const VENDOR_SPECIFIC: u32 = 9;
    let mut words = [0; 17];
    let mut at = 0;
    for (part, offset, bytes) in [
        (COMMON_PART, COMMON, COMMON_BYTES),
        (INTERRUPT_PART, INTERRUPT_STATUS, 1),
        (CONFIGURATION_PART, CONFIGURATION, CONFIGURATION_BYTES),
        (NOTIFY_PART, NOTIFY, 2),
    ] {
        // The last one is a word longer: by how much the places of notifications are apart, 0.
        let (words_here, next) = match part {
            NOTIFY_PART => (5, 0),
            _ => (4, 64 + 4 * (at as u32 + 4)),
        };
        words[at] = VENDOR_SPECIFIC | next << 8 | (4 * words_here) << 16 | part << 24;
        words[at + 2] = offset.into();
        words[at + 3] = bytes.into();
        at += words_here as usize;
    }
    words
}

// The number of queues is told in 16 bits, and the notifications have 16 bits.
const _: () = assert!(MAX_QUEUES < 1 << 16);
