//! Channel 0 of the 8254 timer of a PC (Intel 8254 data sheet), the one that interrupts.
//!
//! Modes 0 and 4 expire once, 2 and 3 again and again. Guests calibrate their clocks by the paravirtual
//! clock, so the channel behind the speaker is not there.
//!
//! Times are in nanoseconds of the VM's clock.

/// Ports: channel 0 to 2, and control.
pub const PORTS: core::ops::RangeInclusive<u16> = 0x40..=0x43;
const CHANNEL_0: u16 = 0x40;
const CONTROL: u16 = 0x43;

/// Ticks in a second.
const FREQUENCY: u128 = 1_193_182;
const SECOND: u128 = 1_000_000_000;
/// A count that is written as 0.
const LONGEST: u32 = 1 << 16;

/// Which bytes of a count are accessed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Access {
    Low,
    High,
    #[default]
    Both,
}

/// The channel.
#[derive(Debug, Default)]
pub struct Pit {
    mode: u8,
    access: Access,
    /// The low byte of a count whose high byte is to come.
    written: Option<u8>,
    /// A count that was latched, and is not read yet.
    latched: Option<u16>,
    /// The high byte is read next.
    high_next: bool,
    count: u32,
    /// When it was set.
    start: u64,
    /// When it expires next.
    expires: Option<u64>,
}

impl Pit {
    /// When the next interrupt is due.
    pub fn expires(&self) -> Option<u64> {
        self.expires
    }

    /// Whether it has expired by `now`; a periodic one goes on from there.
    pub fn expire(&mut self, now: u64) -> bool {
        let Some(_) = self.expires.filter(|&expires| expires <= now) else {
            return false;
        };
        self.expires = None;
        if self.is_periodic() {
            // Interrupts that nobody took in time are one.
            let periods = ticks(now.saturating_sub(self.start)) / u64::from(self.count) + 1;
            self.expires = Some(
                self.start
                    .saturating_add(nanoseconds(periods * u64::from(self.count))),
            );
        }
        true
    }

    /// The guest reads a port.
    pub fn read(&mut self, port: u16, now: u64) -> u8 {
        if port != CHANNEL_0 {
            return 0;
        }
        let count = self.latched.unwrap_or(self.value(now));
        let high = match self.access {
            Access::Low => false,
            Access::High => true,
            Access::Both => self.high_next,
        };
        self.high_next = self.access == Access::Both && !high;
        if !self.high_next {
            self.latched = None;
        }
        count.to_le_bytes()[usize::from(high)]
    }

    /// The guest writes a port.
    pub fn write(&mut self, port: u16, value: u8, now: u64) {
        match port {
            CONTROL if value >> 6 == 0 => self.control(value, now),
            CHANNEL_0 => match (self.access, self.written.take()) {
                (Access::Low, _) => self.set(value.into(), now),
                (Access::High, _) => self.set(u32::from(value) << 8, now),
                (Access::Both, None) => self.written = Some(value),
                (Access::Both, Some(low)) => self.set(u16::from_le_bytes([low, value]).into(), now),
            },
            _ => {}
        }
    }

    fn control(&mut self, value: u8, now: u64) {
        self.access = match value >> 4 & 3 {
            0 => {
                self.latched = self.latched.or(Some(self.value(now)));
                return;
            }
            1 => Access::Low,
            2 => Access::High,
            _ => Access::Both,
        };
        // 6 and 7 are other names of 2 and 3.
        self.mode = match value >> 1 & 7 {
            mode @ 6..=7 => mode - 4,
            mode => mode,
        };
        (self.written, self.latched, self.high_next) = (None, None, false);
        // It counts when it has a count.
        self.expires = None;
    }

    fn set(&mut self, count: u32, now: u64) {
        self.count = if count == 0 { LONGEST } else { count };
        self.start = now;
        self.expires = Some(now.saturating_add(nanoseconds(self.count.into())));
    }

    fn is_periodic(&self) -> bool {
        matches!(self.mode, 2 | 3)
    }

    /// What it has counted down to.
    fn value(&self, now: u64) -> u16 {
        let passed = ticks(now.saturating_sub(self.start));
        let count = u64::from(self.count.max(1));
        let left = match self.is_periodic() {
            true => count - passed % count,
            false => count.wrapping_sub(passed),
        };
        left as u16
    }
}

fn ticks(nanoseconds: u64) -> u64 {
    (u128::from(nanoseconds) * FREQUENCY / SECOND) as u64
}

/// Rounded up, so that so many ticks have passed then.
fn nanoseconds(ticks: u64) -> u64 {
    (u128::from(ticks) * SECOND).div_ceil(FREQUENCY) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(pit: &mut Pit, control: u8, count: u16, now: u64) {
        pit.write(CONTROL, control, now);
        for byte in count.to_le_bytes() {
            pit.write(CHANNEL_0, byte, now);
        }
    }

    #[test]
    fn a_single_shot_expires_once() {
        let mut pit = Pit::default();
        assert!(!pit.expire(u64::MAX));
        set(&mut pit, 0x38, 1193, 5_000);
        let expires = pit.expires().unwrap();
        assert!((1_004_000..1_006_000).contains(&expires), "{expires}");
        assert!(!pit.expire(expires - 1));
        assert!(pit.expire(expires));
        assert!(!pit.expire(u64::MAX));
    }

    #[test]
    fn a_period_does_not_drift_and_what_was_missed_is_one() {
        let mut pit = Pit::default();
        set(&mut pit, 0x34, 4773, 0);
        let mut now = 0;
        for _ in 0..1000 {
            now = pit.expires().unwrap();
            assert!(pit.expire(now));
        }
        let exact = 4773 * 1000 * 1_000_000_000 / 1_193_182;
        assert!((now as i64 - exact).abs() <= 1, "{now} {exact}");
        assert!(pit.expire(now + 50_000_000));
        assert!(!pit.expire(now + 50_000_000));
    }

    #[test]
    fn the_count_is_read_as_it_was_latched() {
        let mut pit = Pit::default();
        set(&mut pit, 0x34, 0x1234, 0);
        pit.write(CONTROL, 0x00, 0);
        let later = 1_000_000;
        assert_eq!(
            [pit.read(CHANNEL_0, later), pit.read(CHANNEL_0, later)],
            [0x34, 0x12]
        );
        let now = u16::from_le_bytes([pit.read(CHANNEL_0, later), pit.read(CHANNEL_0, later)]);
        assert_eq!(now, 0x1234 - 1193);
    }

    #[test]
    fn a_new_mode_stops_it_until_it_has_a_count() {
        let mut pit = Pit::default();
        set(&mut pit, 0x34, 100, 0);
        pit.write(CONTROL, 0x30, 1);
        assert_eq!(pit.expires(), None);
        pit.write(CONTROL, 0xb6, 1);
        pit.write(0x42, 1, 1);
        assert_eq!(pit.expires(), None, "another channel");
        set(&mut pit, 0x30, 0, 1);
        assert_eq!(pit.expires(), Some(1 + nanoseconds(0x1_0000)));
    }
}
