//! The serial line's protocol: what kernel, bootstrap and ned say to the host.
//!
//! Their lines start with `@brio `. Output of components carries a tag in front, so none of it can.

/// What an `@brio ` line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// `@brio exit N`: the system ended with this code.
    Exit(u32),
    /// `@brio panic …`: kernel or a server gave up.
    Panic(String),
    /// `@brio trace ADDRESS SIZE`: where in memory the kernel keeps a trace buffer.
    Trace { address: u64, size: u64 },
    /// `@brio test NAME pass|fail MESSAGE`.
    Test {
        name: String,
        passed: bool,
        message: String,
    },
}

/// The report in a line, if it is one. The line is as it came, without the newline.
pub fn report(line: &[u8]) -> Option<Report> {
    let text = line.strip_prefix(b"@brio ")?;
    let text = String::from_utf8_lossy(text);
    let text = text.trim_end();
    let (kind, rest) = text.split_once(' ').unwrap_or((text, ""));
    match kind {
        "exit" => rest.trim().parse().ok().map(Report::Exit),
        "panic" => Some(Report::Panic(rest.to_owned())),
        "trace" => {
            let number = |word: &str| u64::from_str_radix(word.strip_prefix("0x")?, 16).ok();
            let (address, size) = rest.split_once(' ')?;
            Some(Report::Trace {
                address: number(address)?,
                size: number(size)?,
            })
        }
        "test" => {
            let mut words = rest.splitn(3, ' ');
            let name = words.next()?.to_owned();
            let passed = match words.next()? {
                "pass" => true,
                "fail" => false,
                _ => return None,
            };
            Some(Report::Test {
                name,
                passed,
                message: words.next().unwrap_or("").to_owned(),
            })
        }
        _ => None,
    }
}

/// A line for comparing and logging: without colours, carriage returns and other control characters.
pub fn plain(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\x1b' {
            // A control sequence: `[`, parameters, one final letter.
            if chars.next() == Some('[') {
                chars.by_ref().find(|c| ('@'..='~').contains(c));
            }
        } else if c == '\t' || !c.is_control() {
            plain.push(c);
        }
    }
    plain
}

/// Cuts a stream of bytes into lines.
#[derive(Default)]
pub struct Lines {
    partial: Vec<u8>,
}

/// Longer lines are cut, so that a component that never ends its line does not fill the host's memory.
const LINE_MAX: usize = 4096;

impl Lines {
    /// Adds one byte; the line that it ends, if it does.
    pub fn push(&mut self, byte: u8) -> Option<Vec<u8>> {
        if byte == b'\n' {
            return Some(std::mem::take(&mut self.partial));
        }
        if self.partial.len() < LINE_MAX {
            self.partial.push(byte);
        }
        None
    }

    /// The line so far: a prompt, for instance.
    pub fn partial(&self) -> &[u8] {
        &self.partial
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_recognised() {
        assert_eq!(report(b"@brio exit 0\r"), Some(Report::Exit(0)));
        assert_eq!(report(b"@brio exit 3"), Some(Report::Exit(3)));
        assert_eq!(
            report(b"@brio panic at x.rs:1: y"),
            Some(Report::Panic("at x.rs:1: y".into()))
        );
        let test = Report::Test {
            name: "map".into(),
            passed: false,
            message: "no such page".into(),
        };
        assert_eq!(report(b"@brio test map fail no such page"), Some(test));
        let trace = Report::Trace {
            address: 0xf0_0000,
            size: 0x800,
        };
        assert_eq!(report(b"@brio trace 0xf00000 0x800\r"), Some(trace));
    }

    #[test]
    fn only_lines_that_start_with_the_mark_count() {
        let forged: [&[u8]; 6] = [
            b"evil | @brio exit 0",
            b"\r@brio exit 0",
            b"\x1b[0m@brio exit 0",
            b"@brio exit zero",
            b"@brio",
            b"@brio test x maybe",
        ];
        for line in forged {
            assert_eq!(report(line), None, "{}", plain(line));
        }
    }

    #[test]
    fn colours_and_control_characters_are_removed() {
        assert_eq!(plain(b"\x1b[36mhello\x1b[0m | hi\r"), "hello | hi");
        assert_eq!(plain(b"\x1b["), "");
        assert_eq!(plain(b"a\x07b\tc\xff"), "ab\tc\u{fffd}");
    }

    #[test]
    fn lines_end_at_newlines_only_and_have_a_limit() {
        let mut lines = Lines::default();
        assert_eq!(lines.push(b'a'), None);
        assert_eq!(lines.partial(), b"a");
        assert_eq!(lines.push(b'\n'), Some(b"a".to_vec()));
        (0..2 * LINE_MAX).for_each(|_| drop(lines.push(b'x')));
        assert_eq!(lines.push(b'\n').map(|line| line.len()), Some(LINE_MAX));
    }
}
