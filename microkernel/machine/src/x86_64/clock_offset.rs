//! How far the clocks of two CPUs are apart, as far as they can tell.
//!
//! One CPU looks at its clock, lets the other one look, and looks again. If
//! both clocks tell the same time, what the other one read lies in between.

/// What several such looks leave possible: how much the other CPU's clock is
/// ahead, at least and at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ClockOffset {
    least: i64,
    most: i64,
}

impl ClockOffset {
    /// Anything.
    pub(super) const UNKNOWN: Self = Self {
        least: i64::MIN,
        most: i64::MAX,
    };

    /// Takes a look into account: own time, the other's, and own time again.
    pub(super) fn add(&mut self, before: u64, other: u64, after: u64) {
        self.least = self.least.max(other.wrapping_sub(after) as i64);
        self.most = self.most.min(other.wrapping_sub(before) as i64);
    }

    /// By how much the other clock has to be set back: not at all if no look
    /// has shown that the clocks differ. Then nobody else can notice either:
    /// no message is faster than these.
    pub(super) fn excess(self) -> i64 {
        if self.least <= 0 && self.most >= 0 {
            return 0;
        }
        self.least.midpoint(self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks at clocks of which the other is `ahead`; how long it takes there
    /// and back.
    fn looks(ahead: i64, times: &[(u64, u64)]) -> ClockOffset {
        let mut offset = ClockOffset::UNKNOWN;
        let mut now = 1 << 40;
        for (there, back) in times {
            let other = (now + there).wrapping_add_signed(ahead);
            offset.add(now, other, now + there + back);
            now += 10_000;
        }
        offset
    }

    #[test]
    fn equal_clocks_are_left_alone() {
        assert_eq!(looks(0, &[(100, 900), (900, 100), (50, 50)]).excess(), 0);
        assert_eq!(looks(0, &[(0, 0)]).excess(), 0);
    }

    #[test]
    fn a_difference_that_no_message_shows_is_none() {
        assert_eq!(looks(40, &[(50, 50)]).excess(), 0);
        assert_eq!(looks(-40, &[(50, 50)]).excess(), 0);
    }

    #[test]
    fn the_fastest_messages_tell_a_difference_best() {
        for ahead in [5_000, -5_000, 1 << 50, -(1 << 39)] {
            let excess = looks(ahead, &[(900, 100), (60, 70), (100, 2_000)]).excess();
            assert!((excess - ahead).abs() <= 65, "{excess}");
        }
    }

    #[test]
    fn clocks_far_apart_are_no_overflow() {
        let mut offset = ClockOffset::UNKNOWN;
        offset.add(u64::MAX - 10, 5, u64::MAX);
        assert_eq!(offset.excess(), (6 + 16) / 2);
    }
}
