//! Sizes among the arguments of clients.

use l4_ipc::{Outcome, ResultCode};

/// Bytes that a client can share with a server, unless the configuration says otherwise.
pub const USUAL_SHARED: u64 = 2 << 20;

/// A size as configuration files have it: `4096`, `64K`, `1M`, `2G`. Error: EINVAL.
pub fn size(text: &str) -> Outcome<u64> {
    let (digits, unit) = match text.as_bytes().last() {
        Some(b'K') => (&text[..text.len() - 1], 10),
        Some(b'M') => (&text[..text.len() - 1], 20),
        Some(b'G') => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    let number: u64 = digits.parse().map_err(|_| ResultCode::EINVAL)?;
    number.checked_mul(1 << unit).ok_or(ResultCode::EINVAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_or_are_refused() {
        for (text, bytes) in [("0", 0), ("4096", 4096), ("3K", 3 << 10), ("2G", 2 << 30)] {
            assert_eq!(size(text), Ok(bytes));
        }
        for text in ["", "M", "1T", "-1K", "99999999999G", "1Ä"] {
            assert_eq!(size(text), Err(ResultCode::EINVAL), "{text}");
        }
    }
}
