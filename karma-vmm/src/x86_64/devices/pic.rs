//! The pair of 8259A interrupt controllers of a PC (Intel 8259A data sheet; the level control registers
//! are those of PC chip sets).
//!
//! Fixed priorities, fully nested; specific and non-specific ends, automatic ends. Not offered, as no
//! system uses them on a PC: rotation, polling, special masks, buffered mode.

/// Input of the first chip that the second one is connected to.
const CASCADE: u8 = 2;

/// Ports of the first chip; the second has [`SECOND`].
pub const FIRST: u16 = 0x20;
/// Ports of the second chip.
pub const SECOND: u16 = 0xa0;
/// Which inputs follow their level: one port for each chip.
pub const LEVEL_CONTROL: u16 = 0x4d0;

/// First command word: initialisation begins.
const INITIALISE: u8 = 1 << 4;
/// Third operation word.
const OPERATION_3: u8 = 1 << 3;

/// Both chips.
#[derive(Debug, Default)]
pub struct Pics([Pic; 2]);

#[derive(Debug, Default)]
struct Pic {
    /// Vector of the first input.
    base: u8,
    mask: u8,
    /// Levels of the inputs.
    lines: u8,
    /// Inputs that follow their level.
    level: u8,
    requests: u8,
    in_service: u8,
    /// Words of the initialisation that have come, 0 if it is over.
    initialising: u8,
    automatic_end: bool,
    /// The next read of the first port shows what is in service.
    show_in_service: bool,
}

impl Pics {
    /// With those inputs following their level, one bit each.
    pub fn new(level: u16) -> Self {
        let mut pics = Self::default();
        let [first, second] = level.to_le_bytes();
        (pics.0[0].level, pics.0[1].level) = (first, second);
        pics
    }

    /// Reads a port of [`FIRST`], [`SECOND`] or [`LEVEL_CONTROL`].
    pub fn read(&mut self, port: u16) -> u8 {
        let (chip, register) = self.chip(port);
        match register {
            Register::Level => chip.level,
            Register::Mask => chip.mask,
            Register::Command if chip.show_in_service => chip.in_service,
            Register::Command => chip.requests,
        }
    }

    /// Writes such a port.
    pub fn write(&mut self, port: u16, value: u8) {
        let (chip, register) = self.chip(port);
        match register {
            // Timer, keyboard, cascade and clock are edges for ever.
            Register::Level if port == LEVEL_CONTROL => chip.level = value & 0xf8,
            Register::Level => chip.level = value & 0xde,
            Register::Mask => chip.write_mask(value),
            Register::Command => chip.write_command(value),
        }
        self.cascade();
    }

    /// Sets the level of an input, 0 to 15.
    pub fn set_line(&mut self, input: u8, high: bool) {
        self.0[usize::from(input >> 3 & 1)].set_line(input & 7, high);
        self.cascade();
    }

    /// An edge at an input.
    pub fn pulse(&mut self, input: u8) {
        self.set_line(input, false);
        self.set_line(input, true);
    }

    /// The vector of the interrupt that the CPU is asked to take.
    pub fn pending(&self) -> Option<u8> {
        let [first, second] = &self.0;
        let (chip, input) = match first.most_urgent()? {
            CASCADE => (second, second.most_urgent()?),
            input => (first, input),
        };
        Some(chip.base | input)
    }

    /// The CPU has taken that interrupt.
    pub fn acknowledge(&mut self, vector: u8) {
        let [first, second] = &mut self.0;
        if vector & !7 == first.base {
            first.acknowledge(vector & 7);
        } else {
            first.acknowledge(CASCADE);
            second.acknowledge(vector & 7);
        }
        self.cascade();
    }

    fn cascade(&mut self) {
        let asks = self.0[1].most_urgent().is_some();
        // What the second chip asks for can change without the line falling in between.
        self.0[0].set_line(CASCADE, false);
        self.0[0].set_line(CASCADE, asks);
    }

    fn chip(&mut self, port: u16) -> (&mut Pic, Register) {
        let (second, register) = match port {
            FIRST => (0, Register::Command),
            SECOND => (1, Register::Command),
            LEVEL_CONTROL => (0, Register::Level),
            _ if port == LEVEL_CONTROL + 1 => (1, Register::Level),
            _ => (usize::from(port >= SECOND), Register::Mask),
        };
        (&mut self.0[second], register)
    }
}

enum Register {
    Command,
    Mask,
    Level,
}

impl Pic {
    fn set_line(&mut self, input: u8, high: bool) {
        let bit = 1 << input;
        match high {
            false => {
                self.lines &= !bit;
                self.requests &= !bit;
            }
            true if self.lines & bit == 0 => {
                self.lines |= bit;
                self.requests |= bit;
            }
            true => {}
        }
    }

    /// The lowest number that asks, is not masked, and is below what is in service.
    fn most_urgent(&self) -> Option<u8> {
        let asks = self.requests & !self.mask;
        let input = asks.trailing_zeros();
        (asks != 0 && input < self.in_service.trailing_zeros()).then_some(input as u8)
    }

    fn acknowledge(&mut self, input: u8) {
        let bit = 1 << input;
        if self.level & bit == 0 {
            self.requests &= !bit;
        }
        if !self.automatic_end {
            self.in_service |= bit;
        }
    }

    fn write_command(&mut self, value: u8) {
        if value & INITIALISE != 0 {
            *self = Self {
                level: self.level,
                lines: self.lines,
                initialising: 1,
                ..Self::default()
            };
        } else if value & OPERATION_3 != 0 {
            if value & 0b10 != 0 {
                self.show_in_service = value & 1 != 0;
            }
        } else {
            match value >> 5 {
                // The most urgent ends, which is the one that came last.
                0b001 => self.in_service &= self.in_service.wrapping_sub(1),
                0b011 => self.in_service &= !(1 << (value & 7)),
                _ => {}
            }
        }
    }

    fn write_mask(&mut self, value: u8) {
        match self.initialising {
            0 => self.mask = value,
            1 => {
                self.base = value & 0xf8;
                self.initialising = 2;
            }
            // How the chips are connected is known.
            2 => self.initialising = 3,
            _ => {
                self.automatic_end = value & 2 != 0;
                self.initialising = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Linux sets them up, with everything unmasked.
    fn linux(level: u16) -> Pics {
        let mut pics = Pics::new(level);
        for (port, base, wiring) in [(FIRST, 0x30, 4), (SECOND, 0x38, 2)] {
            pics.write(port, 0x11);
            for word in [base, wiring, 0x01] {
                pics.write(port + 1, word);
            }
            pics.write(port + 1, 0);
        }
        pics
    }

    /// The CPU takes what it is asked to.
    fn take(pics: &mut Pics) -> Option<u8> {
        let vector = pics.pending()?;
        pics.acknowledge(vector);
        Some(vector)
    }

    #[test]
    fn an_edge_interrupts_once() {
        let mut pics = linux(0);
        pics.pulse(0);
        assert!(pics.pending().is_some());
        assert_eq!(take(&mut pics), Some(0x30));
        assert_eq!(pics.pending(), None);
        pics.pulse(0);
        assert_eq!(pics.pending(), None, "still in service");
        pics.write(FIRST, 0x60);
        assert!(pics.pending().is_some());
        pics.set_line(0, false);
        assert_eq!(pics.pending(), None, "taken back");
    }

    #[test]
    fn a_level_interrupts_until_it_falls() {
        let mut pics = linux(1 << 10);
        pics.set_line(10, true);
        assert_eq!(take(&mut pics), Some(0x3a));
        assert_eq!(pics.pending(), None);
        pics.write(SECOND, 0x62);
        assert_eq!(pics.pending(), None, "the first chip's is in service still");
        pics.write(FIRST, 0x62);
        assert!(pics.pending().is_some());
        assert_eq!(take(&mut pics), Some(0x3a));
        pics.set_line(10, false);
        pics.write(SECOND, 0x20);
        pics.write(FIRST, 0x20);
        assert_eq!(pics.pending(), None);
    }

    #[test]
    fn urgent_ones_come_first_and_interrupt_others() {
        let mut pics = linux(0);
        pics.set_line(4, true);
        pics.set_line(12, true);
        assert_eq!(take(&mut pics), Some(0x3c), "the second chip is at input 2");
        assert_eq!(pics.pending(), None);
        pics.set_line(0, true);
        assert_eq!(take(&mut pics), Some(0x30));
        pics.write(FIRST, 0x0b);
        assert_eq!(pics.read(FIRST), 0b101);
        pics.write(FIRST, 0x20);
        assert_eq!(pics.read(FIRST), 0b100, "the last one ends first");
        pics.write(SECOND, 0x20);
        pics.write(FIRST, 0x20);
        assert_eq!(take(&mut pics), Some(0x34));
    }

    #[test]
    fn masks_hold_back_and_are_read_back() {
        let mut pics = linux(0);
        pics.write(FIRST + 1, 0x10);
        assert_eq!(pics.read(FIRST + 1), 0x10);
        pics.set_line(4, true);
        assert_eq!(pics.pending(), None);
        pics.write(FIRST + 1, 0);
        assert!(pics.pending().is_some());
        pics.write(LEVEL_CONTROL, 0xff);
        pics.write(LEVEL_CONTROL + 1, 0xff);
        assert_eq!(pics.read(LEVEL_CONTROL), 0xf8);
        assert_eq!(pics.read(LEVEL_CONTROL + 1), 0xde);
    }

    #[test]
    fn automatic_ends_leave_nothing_in_service() {
        let mut pics = linux(0);
        pics.write(FIRST, 0x11);
        for word in [0x20, 4, 0x03] {
            pics.write(FIRST + 1, word);
        }
        pics.pulse(1);
        assert_eq!(take(&mut pics), Some(0x21));
        pics.pulse(1);
        assert!(pics.pending().is_some());
    }
}
