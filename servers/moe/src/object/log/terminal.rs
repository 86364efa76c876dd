//! What of a component's output reaches the terminal: text, and sequences that colour it.
//!
//! Anything else that a terminal obeys could rewrite lines that are there already, the system's
//! among them, or make the terminal answer as if somebody had typed.

/// Begins a control sequence.
pub(super) const ESCAPE: char = '\x1b';

/// Hands what is harmless of `line` to `print`, and `?` for the rest.
pub(super) fn filter(line: &[u8], mut print: impl FnMut(&str)) {
    for chunk in line.utf8_chunks() {
        let mut text = chunk.valid();
        while let Some(first) = text.chars().next() {
            let (length, is_harmless) = match colour_sequence(text) {
                Some(length) => (length, true),
                // Controls are also those from 0x80 to 0x9f: 0x9b begins a sequence by itself.
                None => (first.len_utf8(), first == '\t' || !first.is_control()),
            };
            let (one, rest) = text.split_at(length);
            print(if is_harmless { one } else { "?" });
            text = rest;
        }
        if !chunk.invalid().is_empty() {
            print("?");
        }
    }
}

/// Length of the "select graphic rendition" sequence (ECMA-48) that `text` begins with.
fn colour_sequence(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix(ESCAPE)?.strip_prefix('[')?;
    let is_parameter = |byte: u8| byte.is_ascii_digit() || byte == b';' || byte == b':';
    let end = parameters.bytes().position(|byte| !is_parameter(byte))?;
    let length = text.len() - parameters.len() + end + 1;
    (parameters.as_bytes()[end] == b'm').then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filtered(line: &[u8]) -> String {
        let mut output = String::new();
        filter(line, |text| output.push_str(text));
        output
    }

    #[test]
    fn text_and_colours_pass() {
        for line in [
            "",
            "a\tb ~",
            "größer → 漢字",
            "\x1b[31mred\x1b[0m",
            "\x1b[38;2;1;2;3m\x1b[m",
        ] {
            assert_eq!(filtered(line.as_bytes()), line);
        }
    }

    #[test]
    fn a_terminal_is_not_told_to_do_anything_else() {
        for (line, printed) in [
            // Up and erase; clear; title; clipboard; "who are you?"; reset.
            (&b"\x1b[1A\x1b[2K@brio exit 0"[..], "?[1A?[2K@brio exit 0"),
            (b"\x1b[2J\x1b[H", "?[2J?[H"),
            (b"\x1b]0;title\x07", "?]0;title?"),
            (b"\x1b]52;c;eA==\x1b\\", "?]52;c;eA==?\\"),
            (b"\x1b[6n\x1bc", "?[6n?c"),
            (b"\x1b[>4;1m", "?[>4;1m"),
            // The same with controls of one byte, and as UTF-8.
            (b"\x9b2J", "?2J"),
            ("\u{9b}2J\u{85}".as_bytes(), "?2J?"),
            (b"\x7f\x08\x0b\x00", "????"),
            // Cut short.
            (b"\x1b", "?"),
            (b"\x1b[", "?["),
            (b"\x1b[31", "?[31"),
            (b"\xff\xe2\x82", "??"),
        ] {
            assert_eq!(filtered(line), printed);
        }
    }
}
