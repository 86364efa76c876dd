//! From the ticks of a counter to units of time and back, without division.

/// A unit of time in ticks: ticks × `factor` >> (32 − `shift`), as the KIP's
/// clock functions compute it (abi/04).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scaler {
    factor: u64,
    shift: u32,
    /// The same without a shift: whole units for a tick, and the rest times 2^64.
    unit: [u64; 2],
    /// Ticks for one unit, times 2^32, rounded up.
    inverse: u64,
}

impl Scaler {
    /// For `units` a second and `frequency` ticks a second, neither of them
    /// zero. The factor has at most 32 bits.
    ///
    /// # Panics
    /// If the unit is longer than 2^32 ticks or a tick than 2^32 units.
    pub(super) fn new(units: u64, frequency: u64) -> Self {
        assert!(units != 0 && frequency != 0);
        let mut shift = 0;
        while u128::from(units) >= u128::from(frequency) << shift {
            shift += 1;
        }
        assert!(shift <= 31, "the counter is too slow");
        let factor = (u128::from(units) << (32 - shift)) / u128::from(frequency);
        assert!(factor != 0, "the counter is too fast");
        let inverse = (1 << (64 - shift)) / factor + 1;
        let unit = factor << (32 + shift);
        Self {
            factor: factor as u64,
            shift,
            unit: [(unit >> 64) as u64, unit as u64],
            inverse: u64::try_from(inverse).unwrap_or(u64::MAX),
        }
    }

    /// The factor.
    pub(super) fn factor(&self) -> u64 {
        self.factor
    }

    /// The shift, less than 32.
    pub(super) fn shift(&self) -> u64 {
        u64::from(self.shift)
    }

    /// Whole units in so many ticks.
    #[inline]
    pub(super) fn units(&self, ticks: u64) -> u64 {
        let [whole, rest] = self.unit;
        let more = (u128::from(ticks) * u128::from(rest)) >> 64;
        ticks.wrapping_mul(whole).wrapping_add(more as u64)
    }

    /// Ticks after which so many units have passed for certain; not many more
    /// than needed. At most `u64::MAX`.
    #[inline]
    pub(super) fn ticks(&self, units: u64) -> u64 {
        let ticks = (u128::from(units) * u128::from(self.inverse)) >> 32;
        u64::try_from(ticks).unwrap_or(u64::MAX).saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MICROSECONDS: u64 = 1_000_000;
    const NANOSECONDS: u64 = 1_000_000_000;
    const FREQUENCIES: [u64; 8] = [
        1_000_000,
        1_920_000,
        24_000_000,
        54_000_000,
        62_500_000,
        1_000_000_000,
        3_579_545_000,
        100,
    ];
    const YEAR: u64 = 365 * 24 * 3600;

    #[test]
    fn a_deadline_in_ticks_is_never_early_and_hardly_late() {
        for frequency in FREQUENCIES {
            let scaler = Scaler::new(MICROSECONDS, frequency);
            let tick = MICROSECONDS.div_ceil(frequency);
            for deadline in (0..64).map(|bit| (YEAR * MICROSECONDS) >> bit) {
                let reached = scaler.units(scaler.ticks(deadline));
                assert!(reached >= deadline, "{frequency} {deadline}");
                assert!(
                    reached - deadline <= 2 * tick + deadline / 1_000_000,
                    "{frequency} {deadline} {reached}"
                );
            }
        }
    }

    #[test]
    fn a_day_is_right_to_ten_milliseconds() {
        for (units, limit) in [(MICROSECONDS, 10_000), (NANOSECONDS, 10_000_000)] {
            for frequency in FREQUENCIES {
                let day = 24 * 3600;
                let got = Scaler::new(units, frequency).units(day * frequency);
                assert!(
                    got <= day * units && day * units - got <= limit,
                    "{frequency}"
                );
            }
        }
    }

    #[test]
    fn far_deadlines_saturate() {
        let scaler = Scaler::new(MICROSECONDS, 1_000_000_000);
        assert_eq!(scaler.ticks(u64::MAX), u64::MAX);
    }

    #[test]
    #[should_panic(expected = "too slow")]
    fn a_counter_that_hardly_moves_is_refused() {
        Scaler::new(NANOSECONDS << 10, 1);
    }
}
