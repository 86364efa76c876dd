//! A PCI bus behind configuration ports (mechanism 1), with a host bridge and functions that each have one
//! window of I/O ports.
//!
//! Windows have an address from the start, and systems leave them there; but they can be moved, as
//! anywhere. Each device has one function; there is no second bus.

use alloc::vec;
use alloc::vec::Vec;

/// Address (first four) and data (last four).
pub const PORTS: core::ops::RangeInclusive<u16> = 0xcf8..=0xcff;
const DATA: u16 = 0xcfc;
/// Devices beside the host bridge.
pub const MAX_DEVICES: usize = 7;
/// I/O ports of a function.
pub const WINDOW: u16 = 128;

/// In the address: the access is for configuration space.
const ENABLED: u32 = 1 << 31;
/// In the command register: the window answers.
const IO_ENABLED: u32 = 1 << 0;
/// What can be set of the command register: window, bus master, no interrupt line.
const COMMAND: u32 = 0x0405;
/// In the status register: there is a list of capabilities.
const HAS_CAPABILITIES: u32 = 1 << 20;

/// Words of configuration space, by their numbers.
const COMMAND_WORD: usize = 1;
const WINDOW_WORD: usize = 4;
const INTERRUPT_WORD: usize = 15;

/// A function's configuration space: what it is, and where.
#[derive(Debug)]
pub struct Function {
    words: [u32; 64],
}

/// What a function is, in the terms of its configuration space.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    /// Vendor (low half) and device.
    pub device: u32,
    /// Class, sub-class, interface and revision.
    pub class: u32,
    /// Vendor (low half) and device of what it is built into.
    pub subsystem: u32,
}

impl Function {
    /// A bridge that has nothing to be set.
    fn host_bridge() -> Self {
        let mut words = [0; 64];
        // A 440FX, which systems know and have nothing to do with.
        (words[0], words[2]) = (0x1237_8086, 0x0600_0002);
        Self { words }
    }

    /// One with a window at `port` that uses interrupt line `irq`. The capabilities begin at byte 64.
    pub fn new(identity: Identity, port: u16, irq: u8, capabilities: &[u32]) -> Self {
        let mut words = [0; 64];
        words[0] = identity.device;
        words[COMMAND_WORD] = HAS_CAPABILITIES | IO_ENABLED;
        words[2] = identity.class;
        words[WINDOW_WORD] = u32::from(port & !(WINDOW - 1)) | 1;
        words[11] = identity.subsystem;
        words[13] = 64;
        // Pin A.
        words[INTERRUPT_WORD] = 0x100 | u32::from(irq);
        for (word, capability) in words[16..].iter_mut().zip(capabilities) {
            *word = *capability;
        }
        Self { words }
    }

    /// First port of the window, if it answers.
    fn window(&self) -> Option<u16> {
        let answers = self.words[COMMAND_WORD] & IO_ENABLED != 0;
        answers.then_some(self.words[WINDOW_WORD] as u16 & !(WINDOW - 1))
    }

    fn write(&mut self, word: usize, value: u32, mask: u32) {
        let settable = match word {
            _ if self.words[WINDOW_WORD] == 0 => 0,
            COMMAND_WORD => COMMAND,
            // The upper half of a port number is 0.
            WINDOW_WORD => 0xffff & !u32::from(WINDOW - 1),
            INTERRUPT_WORD => 0xff,
            _ => 0,
        };
        let mask = mask & settable;
        self.words[word] = self.words[word] & !mask | value & mask;
    }
}

/// The bus.
#[derive(Debug)]
pub struct Pci {
    address: u32,
    /// By device number; the host bridge is 0.
    functions: Vec<Function>,
}

impl Default for Pci {
    fn default() -> Self {
        Self {
            address: 0,
            functions: vec![Function::host_bridge()],
        }
    }
}

impl Pci {
    /// Adds a device; its number, or `None` if there is no room.
    pub fn add(&mut self, function: Function) -> Option<usize> {
        let number = self.functions.len();
        (number <= MAX_DEVICES).then(|| self.functions.push(function))?;
        Some(number)
    }

    /// The device whose window a port is in, and the port's offset there.
    pub fn find(&self, port: u16) -> Option<(usize, u16)> {
        let mut functions = self.functions.iter().enumerate().skip(1);
        functions.find_map(|(number, function)| {
            let offset = port.checked_sub(function.window()?)?;
            (offset < WINDOW).then_some((number, offset))
        })
    }

    /// Reads `size` bytes from one of the bus's own ports.
    pub fn read(&self, port: u16, size: u8) -> u32 {
        if port < DATA {
            return shifted_out(self.address, port, size);
        }
        let selected = self.selected().and_then(|(number, word)| {
            let function = self.functions.get(number)?;
            Some(function.words[word])
        });
        // Nobody is there: the bus reads as ones.
        shifted_out(selected.unwrap_or(u32::MAX), port, size)
    }

    /// Writes `size` bytes to one of the bus's own ports.
    pub fn write(&mut self, port: u16, size: u8, value: u32) {
        if port < DATA {
            // Other accesses than of four bytes are for other devices there.
            if port == *PORTS.start() && size == 4 {
                self.address = value;
            }
            return;
        }
        let shift = 8 * u32::from(port & 3);
        let mask = mask(size) << shift;
        if let Some((number, word)) = self.selected()
            && let Some(function) = self.functions.get_mut(number)
        {
            function.write(word, value << shift, mask);
        }
    }

    /// Device and word that the address names, on this bus.
    fn selected(&self) -> Option<(usize, usize)> {
        let (bus, function) = (self.address >> 16 & 0xff, self.address >> 8 & 7);
        let device = self.address >> 11 & 31;
        let is_here = self.address & ENABLED != 0 && bus == 0 && function == 0;
        is_here.then_some((device as usize, (self.address >> 2 & 63) as usize))
    }
}

fn mask(size: u8) -> u32 {
    match size {
        1 => 0xff,
        2 => 0xffff,
        _ => u32::MAX,
    }
}

fn shifted_out(word: u32, port: u16, size: u8) -> u32 {
    word >> (8 * u32::from(port & 3)) & mask(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CARD: Identity = Identity {
        device: 0x1042_1af4,
        class: 0x0180_0001,
        subsystem: 0x1100_1af4,
    };

    fn bus() -> Pci {
        let mut pci = Pci::default();
        let card = Function::new(CARD, 0xc080, 10, &[0x0009, 0x1234_5678]);
        assert_eq!(pci.add(card), Some(1));
        pci
    }

    fn address(device: u32, register: u32) -> u32 {
        ENABLED | device << 11 | register
    }

    fn read(pci: &mut Pci, device: u32, register: u32) -> u32 {
        pci.write(0xcf8, 4, address(device, register));
        pci.read(0xcfc, 4)
    }

    #[test]
    fn a_scan_finds_the_bridge_and_the_device_and_nothing_else() {
        let mut pci = bus();
        assert_eq!(read(&mut pci, 0, 8) >> 16, 0x0600, "a host bridge");
        assert_eq!(read(&mut pci, 1, 0), CARD.device);
        assert_eq!(
            pci.read(0xcf8, 4),
            address(1, 0),
            "the address is read back"
        );
        assert_eq!(pci.read(0xcfe, 2), 0x1042);
        assert_eq!(pci.read(0xcff, 1), 0x10);
        for device in 2..32 {
            assert_eq!(read(&mut pci, device, 0), u32::MAX);
        }
        pci.write(0xcf8, 4, address(1, 0) | 1 << 8);
        assert_eq!(pci.read(0xcfc, 4), u32::MAX, "another function");
        pci.write(0xcf8, 4, address(1, 0) | 1 << 16);
        assert_eq!(pci.read(0xcfc, 4), u32::MAX, "another bus");
        pci.write(0xcf8, 4, 0);
        assert_eq!(pci.read(0xcfc, 4), u32::MAX, "not enabled");
    }

    #[test]
    fn capabilities_and_interrupt_are_listed() {
        let mut pci = bus();
        assert_eq!(read(&mut pci, 1, 0x34) & 0xff, 0x40);
        assert_eq!(read(&mut pci, 1, 0x44), 0x1234_5678);
        assert_eq!(read(&mut pci, 1, 0x3c) & 0xffff, 0x010a);
    }

    #[test]
    fn the_window_tells_its_size_and_moves() {
        let mut pci = bus();
        assert_eq!(pci.find(0xc080), Some((1, 0)));
        assert_eq!(pci.find(0xc0ff), Some((1, 127)));
        assert_eq!((pci.find(0xc07f), pci.find(0xc100)), (None, None));
        pci.write(0xcf8, 4, address(1, 0x10));
        pci.write(0xcfc, 4, u32::MAX);
        assert_eq!(pci.read(0xcfc, 4), 0xff81, "128 ports");
        pci.write(0xcfc, 4, 0xd000);
        assert_eq!(pci.find(0xd001), Some((1, 1)));
        pci.write(0xcf8, 4, address(1, 4));
        pci.write(0xcfc, 2, 0);
        assert_eq!(pci.find(0xd001), None, "switched off");
    }

    #[test]
    fn what_is_not_settable_stays() {
        let mut pci = bus();
        for device in [0, 1] {
            for word in 0..64 {
                if [4, 0x10, 0x3c].contains(&(word * 4)) {
                    continue;
                }
                let before = read(&mut pci, device, word * 4);
                pci.write(0xcfc, 4, !before);
                assert_eq!(pci.read(0xcfc, 4), before, "{device} {word}");
            }
        }
        pci.write(0xcf8, 4, address(1, 0x3c));
        pci.write(0xcfc, 1, 5);
        assert_eq!(pci.read(0xcfc, 2), 0x105, "one byte of the word");
    }

    #[test]
    fn there_is_room_for_so_many() {
        let mut pci = bus();
        for number in 2..=MAX_DEVICES {
            assert_eq!(pci.add(Function::new(CARD, 0xd000, 5, &[])), Some(number));
        }
        assert_eq!(pci.add(Function::new(CARD, 0xd000, 5, &[])), None);
    }
}
