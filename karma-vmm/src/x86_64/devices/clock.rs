//! The CMOS clock of a PC, or rather its absence: a clock that is never busy and stands still. Guests take
//! the time from the paravirtual clock.

/// Ports: index and data.
pub const PORTS: core::ops::RangeInclusive<u16> = 0x70..=0x71;
const INDEX: u16 = 0x70;

/// The register that is selected.
#[derive(Debug, Default)]
pub struct Clock(u8);

impl Clock {
    /// The guest writes a port.
    pub fn write(&mut self, port: u16, value: u8) {
        if port == INDEX {
            // The top bit masks the NMI.
            self.0 = value & 0x7f;
        }
    }

    /// The guest reads a port.
    pub fn read(&self, port: u16) -> u8 {
        match (port, self.0) {
            (INDEX, register) => register,
            // Status A: not being updated, 32 kHz. B: 24 hours. D: the battery is good.
            (_, 0x0a) => 0x26,
            (_, 0x0b) => 0x02,
            (_, 0x0d) => 0x80,
            // The first of January.
            (_, 0x07 | 0x08) => 1,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_never_busy_so_that_nobody_waits_for_it() {
        let mut clock = Clock::default();
        clock.write(0x70, 0x8a);
        assert_eq!(clock.read(0x71) & 0x80, 0);
        assert_eq!(clock.read(0x70), 0x0a);
        clock.write(0x71, 0xff);
        assert_eq!(clock.read(0x71), 0x26, "nothing can be written");
    }
}
