//! What the configuration says about a client: its arguments, `NAME` or `NAME=VALUE`.

use core::str::from_utf8;

use l4_ipc::factory::Arguments;
use l4_ipc::{Outcome, ResultCode};

/// Bytes that a client can share with a server, unless the configuration says otherwise.
const USUAL_SHARED: u64 = 2 << 20;

/// Hands each argument to `set`, name and value; `shared=SIZE` is the same for all servers: how many
/// bytes the client can share, which is returned. Error: EINVAL for what is not understood.
pub fn options(
    arguments: &mut Arguments,
    mut set: impl FnMut(&str, &str) -> Outcome<()>,
) -> Outcome<u64> {
    let mut shared = USUAL_SHARED;
    while let Some(argument) = arguments.text()? {
        match split(argument)? {
            ("shared", value) => shared = size(value)?,
            (name, value) => set(name, value)?,
        }
    }
    Ok(shared)
}

/// Name and value; one without a value has an empty one.
fn split(argument: &[u8]) -> Outcome<(&str, &str)> {
    let text = from_utf8(argument).map_err(|_| ResultCode::EINVAL)?;
    Ok(text.split_once('=').unwrap_or((text, "")))
}

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

    #[test]
    fn arguments_have_names_and_perhaps_values() {
        assert_eq!(split(b"isolated"), Ok(("isolated", "")));
        assert_eq!(split(b"file=a=b"), Ok(("file", "a=b")));
        assert_eq!(split(b"\xff=1"), Err(ResultCode::EINVAL));
    }
}
