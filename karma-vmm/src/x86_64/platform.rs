//! The devices of the PC: which ports they have, and which interrupt lines.
//!
//! The table is [`Device::at`]. What is at no port of it reads as ones, and ignores writes.

use super::devices::clock::{self, Clock};
use super::devices::pic::{self, Pics};
use super::devices::pit::{self, Pit};
use super::devices::serial::{self, Serial};
#[cfg(feature = "virtio")]
pub use super::devices::virtio_pci::Bus;
#[cfg(not(feature = "virtio"))]
pub use crate::devices::absent::Bus;
use crate::end::End;
use alloc::boxed::Box;
use l4_memory::Memory;

const TIMER_LINE: u8 = 0;
const SERIAL_LINE: u8 = 4;
/// Lines of PCI devices, which are levels; the devices take them in turns.
const PCI_LINES: [u8; 3] = [10, 11, 5];

/// First serial port.
const COM1: u16 = 0x3f8;
const COM1_LAST: u16 = COM1 + serial::PORTS - 1;
/// The keyboard controller's command port, and the command that resets the machine by it.
const KEYBOARD_COMMAND: u16 = 0x64;
const KEYBOARD_RESET: u8 = 0xfe;
const SPEAKER: u16 = 0x61;
/// The power management registers: event block and control block.
pub const EVENT_PORT: u16 = 0x600;
/// Control block: two bytes.
pub const CONTROL_PORT: u16 = 0x604;
/// Writing [`RESET_VALUE`] here resets the machine.
pub const RESET_PORT: u16 = 0xcf9;
/// See [`RESET_PORT`].
pub const RESET_VALUE: u8 = 6;
/// Sleep type of "off", in the control register's bits 10 to 12.
pub const OFF: u8 = 5;
/// Which power events are wanted: the second half of their block.
const POWER_ENABLE: u16 = EVENT_PORT + 2;

/// What is at a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Device {
    Pic,
    Pit,
    Clock,
    Speaker,
    Keyboard,
    Serial,
    PowerStatus,
    PowerEnable,
    PowerControl,
    Reset,
    Bus,
}

impl Device {
    fn at(port: u16, size: u8) -> Self {
        match port {
            pic::FIRST..=0x21 | pic::SECOND..=0xa1 | pic::LEVEL_CONTROL..=0x4d1 => Self::Pic,
            0x40..=0x43 => Self::Pit,
            SPEAKER => Self::Speaker,
            KEYBOARD_COMMAND => Self::Keyboard,
            0x70..=0x71 => Self::Clock,
            COM1..=COM1_LAST => Self::Serial,
            EVENT_PORT..POWER_ENABLE => Self::PowerStatus,
            POWER_ENABLE..CONTROL_PORT => Self::PowerEnable,
            CONTROL_PORT => Self::PowerControl,
            // It is in the middle of the configuration address, which is of four bytes.
            RESET_PORT if size == 1 => Self::Reset,
            // Perhaps: windows move.
            _ => Self::Bus,
        }
    }
}

// The ranges above are those of the models.
const _: () = {
    assert!(*pit::PORTS.start() == 0x40 && *pit::PORTS.end() == 0x43);
    assert!(*clock::PORTS.start() == 0x70 && *clock::PORTS.end() == 0x71);
};

/// The machine around the CPUs. `M` is the guest's memory.
pub struct Platform<M> {
    pics: Pics,
    pit: Pit,
    clock: Clock,
    serial: Serial,
    serial_output: Box<dyn FnMut(u8) + Send>,
    /// The power events that are wanted.
    power_events: u16,
    bus: Bus<M>,
}

impl<M: Memory> Platform<M> {
    /// One with a serial port, which prints to `serial_output`, and the devices on this bus.
    pub fn new(serial_output: Box<dyn FnMut(u8) + Send>, bus: Bus<M>) -> Self {
        let level = PCI_LINES.iter().map(|line| 1 << line).sum();
        Self {
            pics: Pics::new(level),
            pit: Pit::default(),
            clock: Clock::default(),
            serial: Serial::default(),
            serial_output,
            power_events: 0,
            bus,
        }
    }

    /// A guest's CPU reads `size` bytes from a port at `now`, in nanoseconds.
    pub fn read_port(&mut self, port: u16, size: u8, now: u64) -> u32 {
        let nothing = u32::MAX >> (32 - 8 * u32::from(size.clamp(1, 4)));
        match Device::at(port, size) {
            Device::Pic => self.pics.read(port).into(),
            Device::Pit => self.pit.read(port, now).into(),
            Device::Clock => self.clock.read(port).into(),
            // No parity error, no refresh, no sound.
            Device::Speaker => 0,
            Device::Serial => self.serial.read(port - COM1).into(),
            // None happens.
            Device::PowerStatus => 0,
            Device::PowerEnable => self.power_events.into(),
            // ACPI is on.
            Device::PowerControl => 1,
            Device::Keyboard | Device::Reset => nothing,
            Device::Bus => self.bus.read(port, size).unwrap_or(nothing),
        }
    }

    /// A guest's CPU writes a port; whether that ends the guest.
    pub fn write_port(
        &mut self,
        port: u16,
        size: u8,
        value: u32,
        now: u64,
        memory: &M,
    ) -> Option<End> {
        let byte = value as u8;
        match Device::at(port, size) {
            Device::Pic => self.pics.write(port, byte),
            Device::Pit => self.pit.write(port, byte, now),
            Device::Clock => self.clock.write(port, byte),
            Device::Serial => {
                if let Some(sent) = self.serial.write(port - COM1, byte) {
                    (self.serial_output)(sent);
                }
            }
            Device::PowerControl => {
                const SLEEP: u32 = 1 << 13;
                let kind = (value >> 10 & 7) as u8;
                return (value & SLEEP != 0 && kind == OFF).then_some(End::Off);
            }
            Device::Reset => {
                return (byte & RESET_VALUE == RESET_VALUE).then_some(End::Reset);
            }
            Device::Keyboard => return (byte == KEYBOARD_RESET).then_some(End::Reset),
            Device::PowerEnable => self.power_events = value as u16,
            Device::Speaker | Device::PowerStatus => {}
            Device::Bus => self.bus.write(port, size, value, memory),
        }
        None
    }

    /// The vector of the interrupt for which the interrupt controllers ask at `now`.
    pub fn pending(&mut self, now: u64) -> Option<u8> {
        if self.pit.expire(now) {
            self.pics.pulse(TIMER_LINE);
        }
        self.pics.set_line(SERIAL_LINE, self.serial.interrupt());
        for line in PCI_LINES {
            let mut levels = self.bus.devices.interrupts().enumerate();
            let high = levels.any(|(number, high)| high && line_of(number) == line);
            self.pics.set_line(line, high);
        }
        self.pics.pending()
    }

    /// The CPU has taken that interrupt.
    pub fn acknowledge(&mut self, vector: u8) {
        self.pics.acknowledge(vector);
    }

    /// When [`pending`](Self::pending) may change by itself, in nanoseconds.
    pub fn deadline(&self) -> Option<u64> {
        self.pit.expires()
    }

    /// A person types on the console; how many bytes had room.
    pub fn type_in(&mut self, bytes: &[u8], memory: &M) -> usize {
        if self.bus.devices.room().is_some() {
            return self.bus.devices.type_in(bytes, memory);
        }
        let taken = bytes.iter().take_while(|&&byte| self.serial.receive(byte));
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

/// The line of a PCI device.
pub(super) fn line_of(number: usize) -> u8 {
    PCI_LINES[number % PCI_LINES.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::devices::virtio::Devices;
    use crate::devices::virtio::console::Console;
    use crate::x86_64::devices::pci;
    use alloc::sync::Arc;
    use alloc::vec;
    use l4_virtio::fixture::Ram;
    use std::sync::Mutex;

    fn pc() -> (Platform<Ram>, Arc<Mutex<vec::Vec<u8>>>) {
        pc_with(0)
    }

    /// One with so many silent consoles on its bus.
    fn pc_with(devices: usize) -> (Platform<Ram>, Arc<Mutex<vec::Vec<u8>>>) {
        let mut consoles = Devices::default();
        (0..devices).for_each(|_| consoles.add(Console::new(|_: &[u8]| {})));
        let printed = Arc::new(Mutex::new(vec![]));
        let output = printed.clone();
        let print = Box::new(move |byte| output.lock().unwrap().push(byte));
        (Platform::new(print, Bus::new(consoles)), printed)
    }

    /// Writes bytes to ports.
    fn write(pc: &mut Platform<Ram>, writes: &[(u16, u8)]) {
        for &(port, value) in writes {
            assert_eq!(pc.write_port(port, 1, value.into(), 0, &Ram::new(0)), None);
        }
    }

    /// As Linux starts the interrupt controllers.
    const PICS: [(u16, u8); 10] = [
        (0x20, 0x11),
        (0x21, 0x30),
        (0x21, 4),
        (0x21, 1),
        (0x21, 0),
        (0xa0, 0x11),
        (0xa1, 0x38),
        (0xa1, 2),
        (0xa1, 1),
        (0xa1, 0),
    ];

    #[test]
    fn the_serial_port_prints_and_interrupts_on_line_4() {
        let (mut pc, printed) = pc();
        write(&mut pc, &PICS);
        write(
            &mut pc,
            &[(0x3f8, b'h'), (0x3f8, b'i'), (0x3f9, 1), (0x3fc, 8)],
        );
        assert_eq!(*printed.lock().unwrap(), b"hi");
        assert_eq!(pc.pending(0), None);
        assert_eq!(pc.type_in(b"x", &Ram::new(0)), 1);
        assert_eq!(pc.pending(0), Some(0x34));
        assert_eq!(pc.read_port(0x3f8, 1, 0), b'x'.into());
    }

    #[test]
    fn the_timer_interrupts_on_line_0_when_it_is_due() {
        let (mut pc, _) = pc();
        write(&mut pc, &PICS);
        write(&mut pc, &[(0x43, 0x34), (0x40, 0xff), (0x40, 0xff)]);
        let due = pc.deadline().unwrap();
        assert_eq!(pc.pending(due - 1), None);
        assert_eq!(pc.pending(due), Some(0x30));
        pc.acknowledge(0x30);
        assert!(pc.deadline().unwrap() > due);
    }

    #[test]
    fn devices_on_the_bus_are_found_and_have_their_lines() {
        let (mut pc, _) = pc_with(pci::MAX_DEVICES + 1);
        write(&mut pc, &PICS);
        let memory = Ram::new(0);
        for number in 0..pci::MAX_DEVICES as u16 {
            let window = 0xc000 + 128 * number;
            assert_eq!(pc.read_port(window + 18, 2, 0), 2, "queues");
            // A queue that cannot be is an interrupt for a reset.
            for (offset, value) in [(24, 3), (28, 1)] {
                pc.write_port(window + offset, 2, value, 0, &memory);
            }
            let vector = 0x30 + [10, 11, 5][usize::from(number) % 3];
            assert_eq!(pc.pending(0), Some(vector));
            pc.acknowledge(vector);
            write(&mut pc, &[(0xa0, 0x20), (0x20, 0x20)]);
            assert_eq!(pc.read_port(window + 56, 1, 0), 2);
            assert_eq!(pc.pending(0), None);
        }
        assert_eq!(
            pc.read_port(0xc000 + 128 * 7, 2, 0),
            0xffff,
            "behind the last one"
        );
    }

    #[test]
    fn a_guest_ends_by_acpi_keyboard_controller_or_reset_port() {
        let (mut pc, _) = pc();
        let mut write = |port, size, value| pc.write_port(port, size, value, 0, &Ram::new(0));
        assert_eq!(write(0x604, 2, 0x3401), Some(End::Off));
        assert_eq!(write(0x604, 2, 0x1401), None, "only a sleep type");
        assert_eq!(write(0x604, 2, 0x2401), None, "another sleep state");
        assert_eq!(write(0x64, 1, 0xfe), Some(End::Reset));
        assert_eq!(write(0x64, 1, 0xff), None);
        assert_eq!(write(0xcf9, 1, 0x06), Some(End::Reset));
        assert_eq!(write(0xcf9, 1, 0x02), None);
    }

    #[test]
    fn what_is_not_there_reads_as_ones() {
        let (mut pc, _) = pc();
        for (size, ones) in [(1, 0xff), (2, 0xffff), (4, u32::MAX)] {
            assert_eq!(pc.read_port(0x2f8, size, 0), ones);
        }
    }

    #[test]
    fn no_port_panics_whatever_is_written() {
        let (mut pc, _) = pc_with(1);
        let memory = Ram::new(64);
        for value in [0, 0x11, 0x80, 0xff, 0x3401, u32::MAX] {
            for port in 0..=u16::MAX {
                for size in [1, 2, 4] {
                    pc.write_port(port, size, value, u64::MAX, &memory);
                    pc.read_port(port, size, u64::MAX);
                }
            }
            if let Some(vector) = pc.pending(u64::MAX) {
                pc.acknowledge(vector);
            }
            pc.type_in(b"x", &memory);
        }
    }
}
