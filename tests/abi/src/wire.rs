//! The table of wire vectors: one request of a stock client per row.

/// The table, as text.
pub const TABLE: &str = include_str!("../data/wire-vectors.md");

/// The tag flag that `+SCHED` stands for.
const SCHEDULE: u64 = 0x2000;
/// The selector that `INV` stands for.
const INVALID: u64 = 0xffff_ffff_ffff_f800;

/// One recorded request.
#[derive(Clone, Debug)]
pub struct Vector {
    /// The call with its arguments.
    pub name: &'static str,
    /// Selector.
    pub selector: u64,
    /// Operation.
    pub operation: u64,
    /// Raw message tag.
    pub tag: u64,
    /// Raw timeout pair.
    pub timeouts: u32,
    /// Untyped words, then items.
    pub message: Vec<Pattern>,
    /// Buffer registers from the first on; `None` if the client leaves them alone.
    pub buffers: Option<Vec<u64>>,
}

/// A message word of which the client may leave parts unwritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// The written bits.
    pub value: u64,
    /// Which bits are written.
    pub mask: u64,
}

impl Pattern {
    /// A word that is written as a whole.
    pub fn exact(value: u64) -> Self {
        Self { value, mask: !0 }
    }

    /// Whether a word agrees in the written bits.
    pub fn matches(self, word: u64) -> bool {
        word & self.mask == self.value
    }
}

impl Vector {
    /// The tag's label.
    pub fn label(&self) -> i64 {
        self.tag as i64 >> 16
    }

    /// The lower half of the first word: the operation code of a server interface.
    pub fn opcode(&self) -> Option<u32> {
        self.message.first().map(|word| word.value as u32)
    }

    /// What differs between the recorded request and another, in words for a person.
    pub fn difference(&self, tag: u64, message: &[u64]) -> Option<String> {
        let name = self.name;
        if tag != self.tag {
            return Some(format!("{name}: tag {tag:#x}, recorded {:#x}", self.tag));
        }
        if message.len() != self.message.len() {
            let (has, recorded) = (message.len(), self.message.len());
            return Some(format!("{name}: {has} message words, recorded {recorded}"));
        }
        let wrong = (0..message.len()).find(|i| !self.message[*i].matches(message[*i]))?;
        let Pattern { value, mask } = self.message[wrong];
        let word = message[wrong];
        Some(format!(
            "{name}: word {wrong} is {word:#x}, recorded {value:#x} under {mask:#x}"
        ))
    }

    /// Panics with the difference unless tag and message words are as recorded.
    #[track_caller]
    pub fn assert_request(&self, tag: u64, message: &[u64]) {
        if let Some(difference) = self.difference(tag, message) {
            panic!("{difference}");
        }
    }
}

/// All rows.
pub fn vectors() -> Vec<Vector> {
    rows(TABLE).map(parse_row).collect()
}

/// The one row whose name begins with `prefix`.
#[track_caller]
pub fn vector(prefix: &str) -> Vector {
    let mut found = rows(TABLE).filter(|row| row[0].starts_with(prefix));
    let row = found
        .next()
        .unwrap_or_else(|| panic!("no vector begins with {prefix:?}"));
    assert!(
        found.next().is_none(),
        "several vectors begin with {prefix:?}"
    );
    parse_row(row)
}

const COLUMNS: usize = 9;

fn rows(table: &'static str) -> impl Iterator<Item = [&'static str; COLUMNS]> {
    table
        .lines()
        .filter(|line| line.starts_with('|'))
        .skip(2)
        .map(|line| {
            let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
            cells
                .try_into()
                .unwrap_or_else(|_| panic!("not {COLUMNS} columns: {line}"))
        })
}

fn parse_row(row: [&'static str; COLUMNS]) -> Vector {
    let [
        name,
        selector,
        operation,
        label,
        counts,
        timeouts,
        message,
        buffers,
        _reply,
    ] = row;
    let (words, items) = counts
        .split_once('/')
        .unwrap_or_else(|| panic!("{name}: {counts}"));
    let counted = |text: &str| -> u64 {
        text.parse()
            .unwrap_or_else(|_| panic!("{name}: count {text:?}"))
    };
    let (words, items) = (counted(words), counted(items));
    let message = parse_message(name, message);
    assert_eq!(
        message.len() as u64,
        words + 2 * items,
        "{name}: words and counts differ"
    );
    Vector {
        name,
        selector: if selector == "INV" {
            INVALID
        } else {
            hexadecimal(name, selector)
        },
        operation: hexadecimal(name, operation),
        tag: parse_label(name, label) | items << 6 | words,
        timeouts: if timeouts.is_empty() {
            0
        } else {
            hexadecimal(name, timeouts) as u32
        },
        message,
        buffers: (!buffers.is_empty()).then(|| {
            buffers
                .split_whitespace()
                .map(|word| hexadecimal(name, word))
                .collect()
        }),
    }
}

/// Label and flags of the tag.
fn parse_label(name: &str, text: &str) -> u64 {
    let (label, flags) = match text.strip_suffix("+SCHED") {
        Some(label) => (label.trim(), SCHEDULE),
        None => (text, 0),
    };
    let label = match label.strip_prefix("0x") {
        Some(digits) => hexadecimal(name, digits) as i64,
        None => label
            .parse()
            .unwrap_or_else(|_| panic!("{name}: label {text:?}")),
    };
    (label << 16) as u64 | flags
}

fn parse_message(name: &str, text: &str) -> Vec<Pattern> {
    text.split_whitespace()
        .filter(|token| *token != "‖")
        .map(|token| match token {
            "(stale)" | "UTCB" => Pattern { value: 0, mask: 0 },
            _ => parse_word(name, token),
        })
        .collect()
}

/// Digits and dots; digits that are not there are zero.
pub(crate) fn parse_word(name: &str, token: &str) -> Pattern {
    let mut pattern = Pattern { value: 0, mask: !0 };
    for character in token.chars() {
        let (digit, written) = match character {
            '·' => (0, 0),
            _ => match character.to_digit(16) {
                Some(digit) => (u64::from(digit), 0xf),
                None => panic!("{name}: word {token:?}"),
            },
        };
        pattern.value = pattern.value << 4 | digit;
        pattern.mask = pattern.mask << 4 | written;
    }
    pattern
}

fn hexadecimal(name: &str, text: &str) -> u64 {
    u64::from_str_radix(text, 16).unwrap_or_else(|_| panic!("{name}: number {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unwritten_half_bytes_match_anything() {
        let word = parse_word("test", "··········636261");
        assert!(word.matches(0x636261));
        assert!(word.matches(0xdead_beef_ff63_6261));
        assert!(!word.matches(0x636262));
    }

    #[test]
    fn leading_zeros_are_part_of_a_word() {
        let word = parse_word("test", "4317");
        assert!(word.matches(0x4317));
        assert!(!word.matches(0x1_4317));
    }

    #[test]
    fn labels_have_signs_bases_and_flags() {
        assert_eq!(parse_label("test", "-13 +SCHED"), 0xffff_ffff_fff3_2000);
        assert_eq!(parse_label("test", "0x4005"), 0x4005_0000);
    }

    #[test]
    fn every_row_parses() {
        assert_eq!(vectors().len(), 97);
    }

    #[test]
    fn a_difference_names_the_word() {
        let recorded = vector("Task release_cap");
        assert_eq!(
            recorded.difference(recorded.tag, &[1, 0x8000_0000, 0xddd03f]),
            None
        );
        let difference = recorded.difference(recorded.tag, &[1, 0x8000_0000, 0xddd03e]);
        assert!(difference.is_some_and(|text| text.contains("word 2 is 0xddd03e")));
    }

    #[test]
    #[should_panic(expected = "several vectors")]
    fn an_ambiguous_name_is_refused() {
        vector("Task ");
    }
}
