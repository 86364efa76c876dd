//! What the program measured, in instructions.

use crate::failure::{Context, Result, fail};
use std::collections::BTreeMap;

/// What marks the program's lines.
const MARK: &str = "bench ";

/// What marks the lines of a kernel that measures how long it keeps interrupts off: `TICKS WHAT`.
const UNINTERRUPTED: &str = "@brio uninterrupted ";

/// The row of the longest of these times.
pub const LONGEST: &str = "interrupts-off";

/// How far the calibrated scale may be from a whole number: else the counter does not count
/// instructions.
const TOLERANCE: f64 = 0.02;

/// Instructions of one operation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure {
    pub minimum: f64,
    pub median: f64,
}

/// Figures by row, and by how many idle threads, tasks and mappings there were.
#[derive(Debug, Default)]
pub struct Figures {
    rows: BTreeMap<String, BTreeMap<u64, Figure>>,
    /// In what interrupts were off for the longest time.
    pub longest_in: String,
}

impl Figures {
    /// Reads the console of the program: `bench scale INSTRUCTIONS TICKS` first in each boot, then `bench row NAME
    /// CROWD OPERATIONS MINIMUM MEDIAN`, in ticks.
    pub fn read<'l>(lines: impl Iterator<Item = &'l str>) -> Result<Self> {
        let mut figures = Self::default();
        let mut scale = None;
        for line in lines {
            if let (Some(said), Some(scale)) = (line.strip_prefix(UNINTERRUPTED), scale) {
                figures.uninterrupted(said, scale)?;
            }
            let Some(line) = line.strip_prefix(MARK) else {
                continue;
            };
            let doing = || format!("reading `{MARK}{line}`");
            let words: Vec<&str> = line.split_whitespace().collect();
            let number = |index: usize| words[index].parse::<u64>().context(doing);
            match (words.first(), words.len(), scale) {
                (Some(&"scale"), 3, _) => {
                    scale = Some(whole(number(1)? as f64 / number(2)? as f64)?);
                }
                (Some(&"row"), 6, Some(scale)) => {
                    let per_operation = scale / number(3)? as f64;
                    let figure = Figure {
                        minimum: number(4)? as f64 * per_operation,
                        median: number(5)? as f64 * per_operation,
                    };
                    let row = figures.rows.entry(words[1].to_owned()).or_default();
                    row.insert(number(2)?, figure);
                }
                _ => fail!("tests/bench says `{MARK}{line}`, which means nothing here"),
            }
        }
        Ok(figures)
    }

    /// The kernel did not look for interrupts for so many ticks, in something.
    fn uninterrupted(&mut self, said: &str, scale: f64) -> Result<()> {
        let doing = || format!("reading `{UNINTERRUPTED}{said}`");
        let (ticks, what) = said.split_once(' ').unwrap_or((said, ""));
        let instructions = ticks.parse::<u64>().context(doing)? as f64 * scale;
        if self
            .get(LONGEST)
            .is_none_or(|known| known.median < instructions)
        {
            let figure = Figure {
                minimum: instructions,
                median: instructions,
            };
            self.rows.insert(LONGEST.to_owned(), [(1, figure)].into());
            self.longest_in = what.trim().to_owned();
        }
        Ok(())
    }

    /// The figure of a row in the smallest crowd.
    pub fn get(&self, row: &str) -> Option<Figure> {
        Some(*self.rows.get(row)?.first_key_value()?.1)
    }

    /// For each larger crowd: how much the median of a row grows, in percent.
    pub fn growth(&self, row: &str) -> Vec<(u64, f64)> {
        let (Some(first), Some(all)) = (self.get(row), self.rows.get(row)) else {
            return vec![];
        };
        all.iter()
            .skip(1)
            .map(|(crowd, figure)| (*crowd, (figure.median / first.median - 1.0) * 100.0))
            .collect()
    }
}

/// Instructions of a tick.
fn whole(scale: f64) -> Result<f64> {
    let rounded = scale.round();
    if !rounded.is_normal() || (scale / rounded - 1.0).abs() > TOLERANCE {
        fail!("the counter does not follow the instructions: {scale:.3} in a tick");
    }
    Ok(rounded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Figures, String> {
        Figures::read(text.lines()).map_err(|failure| failure.to_string())
    }

    #[test]
    fn ticks_of_samples_become_instructions_of_operations() {
        let figures = read(
            "boot\nbench scale 200000 12499\nbench row call 1 64 1600 1640\n\
             bench row call 100 64 1600 1804\n@brio exit 0",
        )
        .unwrap();
        let figure = Figure {
            minimum: 400.0,
            median: 410.0,
        };
        assert_eq!(figures.get("call"), Some(figure));
        assert_eq!(figures.get("other"), None);
        let growth = figures.growth("call");
        assert_eq!(growth.len(), 1);
        assert!(growth[0].0 == 100 && (growth[0].1 - 10.0).abs() < 1e-9);
    }

    #[test]
    fn the_longest_time_without_interrupts_is_kept() {
        let figures = read(
            "bench scale 1600 100\n@brio uninterrupted 20 fault\n\
             @brio uninterrupted 300 system call, label -11, word 0x1\n@brio uninterrupted 4 interrupt, Ipi",
        )
        .unwrap();
        assert_eq!(figures.get(LONGEST).unwrap().median, 4800.0);
        assert_eq!(figures.longest_in, "system call, label -11, word 0x1");
        assert!(read("bench scale 1 1\n@brio uninterrupted long fault").is_err());
    }

    #[test]
    fn each_boot_has_a_scale_of_its_own() {
        let figures = read(
            "bench scale 1600 100\nbench row one 1 1 10 10\nbench scale 200 200\nbench row two 1 1 10 10",
        )
        .unwrap();
        assert_eq!(figures.get("one").map(|figure| figure.median), Some(160.0));
        assert_eq!(figures.get("two").map(|figure| figure.median), Some(10.0));
    }

    #[test]
    fn a_counter_of_something_else_is_noticed() {
        assert!(
            read("bench scale 200000 880360")
                .unwrap_err()
                .contains("counter")
        );
        assert!(read("bench scale 300 200").unwrap_err().contains("1.500"));
        assert!(read("bench scale 300 0").is_err());
        assert!(read("bench scale 200000 200003").is_ok());
    }

    #[test]
    fn lines_that_make_no_sense_are_errors() {
        for text in [
            "bench row call 1 64 1600 1640",
            "bench scale 1 1\nbench row call 1 64 1600",
            "bench scale 1 1\nbench row call 1 64 1600 fast",
            "bench scale 1 1\nbench speed",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
