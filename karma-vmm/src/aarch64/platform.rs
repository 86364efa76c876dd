//! The devices of the machine: where their registers are, and which interrupts they have.
//!
//! The table is [`Device::at`]. A guest that touches anything else has a mistake, or a machine in mind
//! that this one is not: it is stopped.

use alloc::boxed::Box;

use l4_memory::Memory;

use super::access::Access;
use super::devices::gic::{self, Gic, Version};
use super::devices::pl011::{self, Pl011};
#[cfg(feature = "virtio")]
pub use super::devices::virtio_mmio::Bus;
#[cfg(not(feature = "virtio"))]
pub use crate::devices::absent::Bus;

/// Virtio devices, at most.
pub const MAX_DEVICES: usize = 7;
/// Bytes of a virtio device's registers.
pub const VIRTIO_SIZE: u64 = 0x200;

/// Devices are above all memory.
pub const DISTRIBUTOR: u64 = 0x10_0000_0000;
/// Of version 2 only; it is the hardware's.
pub const CPU_INTERFACE: u64 = 0x10_0001_0000;
pub(super) const REDISTRIBUTOR: u64 = 0x10_0010_0000;
pub(super) const SERIAL: u64 = 0x10_0100_0000;
const VIRTIO: u64 = 0x10_0200_0000;

const DISTRIBUTOR_END: u64 = DISTRIBUTOR + gic::DISTRIBUTOR_SIZE;
const REDISTRIBUTOR_END: u64 = REDISTRIBUTOR + gic::REDISTRIBUTOR_SIZE * gic::MAX_CPUS as u64;
const SERIAL_END: u64 = SERIAL + pl011::SIZE;
const VIRTIO_END: u64 = VIRTIO + VIRTIO_SIZE * MAX_DEVICES as u64;

/// The virtual timer's interrupt.
const TIMER_LINE: u32 = 27;
pub(super) const SERIAL_LINE: u32 = 33;
const VIRTIO_LINE: u32 = 34;

/// Where a virtio device is.
pub(super) const fn virtio_device(number: usize) -> u64 {
    VIRTIO + VIRTIO_SIZE * number as u64
}

/// The interrupt of a virtio device.
pub(super) const fn virtio_line(number: usize) -> u32 {
    VIRTIO_LINE + number as u32
}

/// What is at an address, and how far behind its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Device {
    Distributor(u64),
    Redistributor(u64),
    Serial(u64),
    Virtio(u64),
}

impl Device {
    fn at(address: u64) -> Option<Self> {
        Some(match address {
            DISTRIBUTOR..DISTRIBUTOR_END => Self::Distributor(address - DISTRIBUTOR),
            REDISTRIBUTOR..REDISTRIBUTOR_END => Self::Redistributor(address - REDISTRIBUTOR),
            SERIAL..SERIAL_END => Self::Serial(address - SERIAL),
            VIRTIO..VIRTIO_END => Self::Virtio(address - VIRTIO),
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Distributor(_) => "distributor",
            Self::Redistributor(_) => "redistributor",
            Self::Serial(_) => "serial port",
            Self::Virtio(_) => "virtio",
        }
    }
}

/// The machine around the CPU. `M` is the guest's memory.
pub struct Platform<M> {
    /// The interrupt controller.
    pub gic: Gic,
    serial: Pl011,
    serial_output: Box<dyn FnMut(u8) + Send>,
    bus: Bus<M>,
}

impl<M: Memory> Platform<M> {
    /// One for so many CPUs, with a serial port, which prints to `serial_output`, and these virtio devices.
    pub fn new(
        version: Version,
        cpus: u8,
        serial_output: Box<dyn FnMut(u8) + Send>,
        bus: Bus<M>,
    ) -> Self {
        Self {
            gic: Gic::new(version, cpus),
            serial: Pl011::default(),
            serial_output,
            bus,
        }
    }

    /// How many virtio devices there are.
    pub fn devices(&self) -> usize {
        self.bus.devices.count()
    }

    /// The device at an address, for reports.
    pub fn name(address: u64) -> Option<&'static str> {
        Device::at(address).map(Device::name)
    }

    /// A CPU reads from an address, if there is something.
    pub fn read(&mut self, cpu: usize, address: u64, access: Access) -> Option<u64> {
        let size = access.size;
        Some(match Device::at(address)? {
            Device::Distributor(offset) => self.gic.read_distributor(cpu, offset, size),
            Device::Redistributor(offset) => self.gic.read_redistributor(offset, size),
            Device::Serial(offset) => self.serial.read(offset).into(),
            // Nothing is plugged in there.
            Device::Virtio(offset) => self.bus.read(offset, size).unwrap_or(0),
        })
    }

    /// A CPU writes to an address, if there is something.
    pub fn write(
        &mut self,
        cpu: usize,
        address: u64,
        access: Access,
        value: u64,
        memory: &M,
    ) -> Option<()> {
        let size = access.size;
        match Device::at(address)? {
            Device::Distributor(offset) => self.gic.write_distributor(cpu, offset, size, value),
            Device::Redistributor(offset) => self.gic.write_redistributor(offset, size, value),
            Device::Serial(offset) => {
                if let Some(sent) = self.serial.write(offset, value as u32) {
                    (self.serial_output)(sent);
                }
            }
            Device::Virtio(offset) => self.bus.write(offset, size, value as u32, memory),
        }
        Some(())
    }

    /// A CPU's virtual timer has interrupted.
    pub fn timer(&mut self, cpu: usize) {
        self.gic.raise(cpu, TIMER_LINE);
    }

    /// Takes over the levels of all lines.
    pub fn update_lines(&mut self) {
        self.gic.set_line(SERIAL_LINE, self.serial.interrupt());
        for (number, high) in self.bus.devices.interrupts().enumerate() {
            self.gic.set_line(virtio_line(number), high);
        }
    }

    /// A person types on the console; how many bytes had room.
    pub fn type_in(&mut self, bytes: &[u8], memory: &M) -> usize {
        if self.bus.devices.room().is_some() {
            return self.bus.devices.type_in(bytes, memory);
        }
        let taken = bytes.iter().take_while(|&&byte| self.serial.type_in(byte));
        taken.count()
    }

    /// How many bytes typed on the console have room: the virtio console if the guest uses one, else the serial port.
    pub fn room(&self) -> usize {
        let console = self.bus.devices.room();
        console.unwrap_or_else(|| self.serial.room())
    }

    /// Requests of a virtio device were completed; devices are numbered as they were added.
    pub fn completed(&mut self, number: usize) {
        self.bus.devices.completed(number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::devices::virtio::Devices;
    use l4_virtio::fixture::Ram;

    fn access(size: u64, is_write: bool) -> Access {
        Access::of(1 << 24 | size << 22 | u64::from(is_write) << 6).unwrap()
    }

    fn board() -> Platform<Ram> {
        Platform::new(
            Version::V3,
            1,
            Box::new(|_| ()),
            Bus::new(Devices::default()),
        )
    }

    #[test]
    fn what_is_typed_becomes_an_interrupt_of_the_guest() {
        let mut platform = board();
        let memory = Ram::new(4096);
        let write = |platform: &mut Platform<Ram>, address, value| {
            platform
                .write(0, address, access(2, true), value, &memory)
                .unwrap();
        };
        write(&mut platform, DISTRIBUTOR, 2);
        write(&mut platform, DISTRIBUTOR + 0x104, u64::MAX);
        write(&mut platform, SERIAL + 0x38, 0x50);
        platform.update_lines();
        assert!(!platform.gic.is_waiting(0, &[]));
        assert_eq!(platform.type_in(b"x", &memory), 1);
        platform.update_lines();
        assert!(platform.gic.is_waiting(0, &[]));
    }

    #[test]
    fn where_nothing_is_nothing_happens() {
        let mut platform = board();
        let memory = Ram::new(4096);
        for address in [
            0,
            DISTRIBUTOR - 1,
            DISTRIBUTOR_END,
            SERIAL_END,
            VIRTIO_END,
            u64::MAX,
        ] {
            assert_eq!(platform.read(0, address, access(2, false)), None);
            assert_eq!(
                platform.write(0, address, access(2, true), 0, &memory),
                None
            );
        }
        // A place for a device that is not there: no magic number.
        assert_eq!(platform.read(0, VIRTIO, access(2, false)), Some(0));
    }
}
