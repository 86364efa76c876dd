//! How often a guest left its virtual machine, and why: by reason, and by port, register or device.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;

/// Details that are told apart. A guest that makes up more of them finds the others in one line.
const DETAILS: usize = 512;

/// Why, and what of it: a port, a register, an address.
type Key = (&'static str, Option<u64>);

/// The counts.
#[derive(Debug, Default)]
pub struct Statistics {
    counts: BTreeMap<Key, u64>,
}

impl Statistics {
    /// Counts an exit. There are few reasons; of each, `detail` says what it was about.
    pub fn count(&mut self, reason: &'static str, detail: impl Into<Option<u64>>) {
        let key = (reason, detail.into());
        if let Some(count) = self.counts.get_mut(&key) {
            *count += 1;
            return;
        }
        let is_full = self.counts.len() >= DETAILS;
        let key = if is_full { (reason, None) } else { key };
        *self.counts.entry(key).or_default() += 1;
    }

    /// All exits.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Exits for a reason.
    pub fn of(&self, reason: &str) -> u64 {
        let of_reason = self.counts.iter().filter(|((own, _), _)| *own == reason);
        of_reason.map(|(_, count)| count).sum()
    }
}

/// A table: reasons with their sums, the most frequent first, and what they were about behind them.
impl fmt::Display for Statistics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut reasons: Vec<(u64, &str)> = vec_of_sums(&self.counts);
        reasons.sort_unstable_by(|one, other| other.cmp(one));
        write!(formatter, "exits {:>12}", self.total())?;
        for (sum, reason) in reasons {
            write!(formatter, "\n{reason:<18}{sum:>10}")?;
            let of_reason = self.counts.iter().filter(|((own, _), _)| *own == reason);
            let mut details: Vec<(u64, u64)> = of_reason
                .filter_map(|((_, detail), count)| Some((*count, (*detail)?)))
                .collect();
            details.sort_unstable_by(|one, other| other.cmp(one));
            for (count, detail) in details {
                write!(formatter, "\n    {detail:<#14x}{count:>10}")?;
            }
        }
        Ok(())
    }
}

fn vec_of_sums(counts: &BTreeMap<Key, u64>) -> Vec<(u64, &'static str)> {
    let mut sums = BTreeMap::<&str, u64>::new();
    for ((reason, _), count) in counts {
        *sums.entry(reason).or_default() += count;
    }
    sums.into_iter()
        .map(|(reason, sum)| (sum, reason))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn the_most_frequent_reason_and_detail_come_first() {
        let mut statistics = Statistics::default();
        for (reason, detail, times) in [
            ("port", Some(0x3f8), 3),
            ("port", Some(0x20), 5),
            ("halt", None, 2),
        ] {
            (0..times).for_each(|_| statistics.count(reason, detail));
        }
        assert_eq!(
            (
                statistics.total(),
                statistics.of("port"),
                statistics.of("halt")
            ),
            (10, 8, 2)
        );
        let table = statistics.to_string();
        let words: Vec<&str> = table.split_whitespace().collect();
        assert_eq!(
            words,
            [
                "exits", "10", "port", "8", "0x20", "5", "0x3f8", "3", "halt", "2"
            ]
        );
    }

    #[test]
    fn a_guest_cannot_make_the_table_grow_without_end() {
        let mut statistics = Statistics::default();
        (0..100_000).for_each(|register| statistics.count("msr", register));
        assert_eq!(statistics.of("msr"), 100_000);
        assert!(statistics.counts.len() <= DETAILS + 1);
    }
}
