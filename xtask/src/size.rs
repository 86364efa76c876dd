//! Sizes of memory as people write them: `64K`, `1M`, `2G`, or a number of bytes.

use crate::failure::{Result, fail};

/// Bytes in `text`.
pub fn parse(text: &str) -> Result<u64> {
    let text = text.trim();
    let (digits, unit) = match text.char_indices().last() {
        Some((at, 'K' | 'k')) => (&text[..at], 1 << 10),
        Some((at, 'M' | 'm')) => (&text[..at], 1 << 20),
        Some((at, 'G' | 'g')) => (&text[..at], 1 << 30),
        _ => (text, 1u64),
    };
    match digits
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(unit))
    {
        Some(bytes) if digits.starts_with(|c: char| c.is_ascii_digit()) => Ok(bytes),
        _ => fail!("`{text}` is not a size; write for example `64K`, `1M` or `2G`"),
    }
}

/// `bytes` in the largest unit that keeps it whole.
pub fn show(bytes: u64) -> String {
    let units = [(1u64 << 30, "G"), (1 << 20, "M"), (1 << 10, "K")];
    match units
        .into_iter()
        .find(|&(unit, _)| bytes != 0 && bytes.is_multiple_of(unit))
    {
        Some((unit, letter)) => format!("{}{letter}", bytes / unit),
        None => bytes.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::{parse, show};

    #[test]
    fn units_are_powers_of_two() {
        assert_eq!(parse("64K").unwrap(), 65536);
        assert_eq!(parse("1m").unwrap(), 1 << 20);
        assert_eq!(parse("4096").unwrap(), 4096);
        assert_eq!(show(parse("3G").unwrap()), "3G");
        assert_eq!(show(100), "100");
        assert_eq!(show(0), "0");
    }

    #[test]
    fn nonsense_is_rejected() {
        for text in [
            "",
            "K",
            "-1M",
            "+1",
            "1T",
            "1.5M",
            "99999999999999999999",
            "20000000000G",
            "1Ä",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
