//! The paravirtual clock (Linux, Documentation/virt/kvm/x86/msr.rst): pages in which a guest finds how its time
//! stamp counter makes nanoseconds.
//!
//! The counter of a machine on which this runs never changes its rate, so each page is written once.

use l4_memory::{Access, Memory};

/// How to make nanoseconds of ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// Ticks are shifted left by this, or right.
    shift: i8,
    /// And then this part of 2³² of them.
    factor: u32,
}

/// The time does not go back between CPUs.
const STABLE: u8 = 1;

impl Scale {
    /// Of a counter with so many ticks in a second, at least 1,000.
    pub fn new(frequency: u64) -> Self {
        const SECOND: u128 = 1_000_000_000;
        let frequency = u128::from(frequency.max(1000));
        // The largest factor that fits gives the least error.
        let mut shift = 0i8;
        let factor = |shift: i8| match shift {
            0.. => (SECOND << 32 >> shift) / frequency,
            _ => (SECOND << 32 << -shift) / frequency,
        };
        while factor(shift) > u128::from(u32::MAX) {
            shift += 1;
        }
        while factor(shift - 1) <= u128::from(u32::MAX) {
            shift -= 1;
        }
        Self {
            shift,
            factor: factor(shift) as u32,
        }
    }

    /// Nanoseconds in `ticks`.
    pub fn nanoseconds(self, ticks: u64) -> u64 {
        let shifted = match self.shift {
            shift @ 0.. => u128::from(ticks) << shift,
            shift => u128::from(ticks) >> -shift,
        };
        ((shifted * u128::from(self.factor)) >> 32) as u64
    }
}

/// Writes a CPU's clock: when the counter was 0, it was `nanoseconds` after the guest's start.
pub fn write_system_time(
    memory: &impl Memory,
    page: u64,
    scale: Scale,
    nanoseconds: u64,
) -> Access {
    let mut clock = [0; 32];
    // An even version: nothing is being changed.
    clock[..4].copy_from_slice(&2u32.to_le_bytes());
    clock[16..24].copy_from_slice(&nanoseconds.to_le_bytes());
    clock[24..28].copy_from_slice(&scale.factor.to_le_bytes());
    clock[28] = scale.shift as u8;
    clock[29] = STABLE;
    memory.write(page, &clock)
}

/// Writes at what time of the world the guest started: in 1970, for nobody here knows better.
pub fn write_wall_clock(memory: &impl Memory, page: u64) -> Access {
    let mut clock = [0; 12];
    clock[..4].copy_from_slice(&2u32.to_le_bytes());
    memory.write(page, &clock)
}

#[cfg(test)]
mod tests {
    use super::*;
    use l4_virtio::fixture::Ram;

    #[test]
    fn ticks_of_any_frequency_become_nanoseconds() {
        for frequency in [
            1_000_000,
            62_500_000,
            999_999_999,
            1_000_000_000,
            2_400_000_000,
            5_000_000_001,
        ] {
            let scale = Scale::new(frequency);
            assert!(scale.factor >= 1 << 31, "the factor uses its bits");
            for seconds in [1, 60, 86_400] {
                let exact = seconds * 1_000_000_000;
                let error = scale.nanoseconds(seconds * frequency).abs_diff(exact);
                assert!(
                    error <= 1 + exact / 1_000_000_000,
                    "{frequency} Hz: {error} ns in {seconds} s"
                );
            }
        }
    }

    #[test]
    fn a_guest_reads_back_the_time_at_the_tick() {
        let memory = Ram::new(0x2000);
        let scale = Scale::new(1_000_000_000);
        write_system_time(&memory, 0x1000, scale, 77).unwrap();
        let mut clock = [0; 32];
        memory.read(0x1000, &mut clock).unwrap();
        let word = |at: usize| u64::from_le_bytes(clock[at..at + 8].try_into().unwrap());
        assert_eq!((word(8), word(16)), (0, 77));
        assert_eq!(clock[0] & 1, 0);
        assert!(
            write_system_time(&memory, 0x1ff0, scale, 0).is_err(),
            "outside of memory"
        );
        memory.write(0, &[1; 12]).unwrap();
        write_wall_clock(&memory, 0).unwrap();
        memory.read(0, &mut clock[..12]).unwrap();
        assert_eq!(clock[..12], [2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
}
