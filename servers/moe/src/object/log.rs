//! Log: gives each line of a component's output its tag before it goes to the console.
//!
//! Lines are collected until they end, so lines of different components never mix, and no line on
//! the console begins with anything but a tag: a component cannot speak in another's name, nor in
//! the system's; nor can it use the terminal to do so (`terminal`).

mod terminal;

use core::fmt::Write;

use l4_abi::error::ResultCode;
use l4_abi::protocol::log::WRITE_SIZE;
use l4_sys::fatal::Line;

use crate::bank::{AccountId, Bank};
use crate::memory::FrameVec;

/// Longest tag.
pub const TAG_MAX: usize = 32;
/// Longest line; what is longer continues on a new one, with its own tag.
const LINE_MAX: usize = 400;
/// A whole line goes to the console in one message.
const _: () = assert!(LINE_MAX + 2 * TAG_MAX < WRITE_SIZE);

/// A component's log.
#[derive(Debug)]
pub struct Log {
    tag: Tag,
    /// Select-graphic-rendition parameter (ECMA-48) of the tag.
    colour: u8,
    has_input: bool,
    line: FrameVec<u8>,
}

/// A printable name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    length: u8,
    text: [u8; TAG_MAX],
}

impl Tag {
    /// As much of `text` as fits, with `?` for what is not printable.
    pub fn new(text: &[u8]) -> Self {
        let mut tag = Self {
            length: 0,
            text: [0; TAG_MAX],
        };
        tag.append(text);
        tag
    }

    /// A name below this one: "parent/child".
    pub fn child(&self, text: &[u8]) -> Self {
        let mut tag = *self;
        tag.append(b"/");
        tag.append(text);
        tag
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        core::str::from_utf8(&self.text[..self.length as usize]).unwrap_or_default()
    }

    fn append(&mut self, text: &[u8]) {
        for byte in text.iter().take(TAG_MAX - self.length as usize) {
            self.text[self.length as usize] = if byte.is_ascii_graphic() { *byte } else { b'?' };
            self.length += 1;
        }
    }
}

impl Log {
    /// A log with this tag in this colour.
    pub fn new(
        bank: &mut Bank,
        account: AccountId,
        tag: Tag,
        colour: u8,
        has_input: bool,
    ) -> Result<Self, ResultCode> {
        let mut line = FrameVec::new(account);
        line.reserve(bank, LINE_MAX)?;
        Ok(Self {
            tag,
            colour,
            has_input,
            line,
        })
    }

    /// Whether the console's input goes to this log.
    pub fn has_input(&self) -> bool {
        self.has_input
    }

    /// Takes output. Each finished line is handed to `print`.
    pub fn write(&mut self, bank: &mut Bank, text: &[u8], print: &mut dyn FnMut(&[u8])) {
        for byte in text {
            match *byte {
                b'\n' => self.finish(print),
                // A carriage return would let a line overwrite its own tag.
                b'\r' => {}
                byte => self.put(bank, byte),
            }
            if self.line.len() == LINE_MAX {
                self.finish(print);
            }
        }
    }

    /// Prints what there is of an unfinished line, so that a prompt is seen before its answer.
    pub fn flush(&mut self, print: &mut dyn FnMut(&[u8])) {
        if !self.line.is_empty() {
            self.finish(print);
        }
    }

    /// Gives the line buffer back, after the last unfinished line has been printed.
    pub fn destroy(&mut self, bank: &mut Bank, print: &mut dyn FnMut(&[u8])) {
        self.flush(print);
        self.line.clear(bank);
    }

    fn put(&mut self, bank: &mut Bank, byte: u8) {
        let is_put = self.line.push(bank, byte);
        debug_assert!(is_put.is_ok(), "there is room for a whole line");
    }

    fn finish(&mut self, print: &mut dyn FnMut(&[u8])) {
        let mut output = Line::new();
        let (tag, colour) = (self.tag.as_str(), self.colour);
        let _ = write!(output, "\x1b[{colour}m{tag}\x1b[0m | ");
        terminal::filter(&self.line, |text| {
            let _ = output.write_str(text);
        });
        // A component that switched colours does not change those of the next line.
        if self.line.contains(&(terminal::ESCAPE as u8)) {
            let _ = output.write_str("\x1b[0m");
        }
        print(output.finish());
        self.line.truncate(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bank::tests::bank;

    fn printed(log: &mut Log, bank: &mut Bank, pieces: &[&[u8]]) -> Vec<String> {
        let mut lines = Vec::new();
        for piece in pieces {
            log.write(bank, piece, &mut |line| {
                lines.push(String::from_utf8(line.to_vec()).unwrap())
            });
        }
        lines
    }

    fn log(bank: &mut Bank) -> Log {
        Log::new(bank, AccountId::ROOT, Tag::new(b"hello"), 32, false).unwrap()
    }

    #[test]
    fn every_line_has_its_tag() {
        let bank = &mut bank(64);
        let mut log = log(bank);
        let lines = printed(&mut log, bank, &[b"one ", b"line\ntwo\nthr", b"ee"]);
        assert_eq!(
            lines,
            [
                "\x1b[32mhello\x1b[0m | one line\n",
                "\x1b[32mhello\x1b[0m | two\n"
            ]
        );
        let mut last = Vec::new();
        log.destroy(bank, &mut |line| last.extend_from_slice(line));
        assert_eq!(last, b"\x1b[32mhello\x1b[0m | three\n");
        assert_eq!(bank.statement(AccountId::ROOT).used, 0);
    }

    #[test]
    fn nothing_in_the_output_ends_a_line_but_a_newline() {
        let bank = &mut bank(64);
        let mut log = log(bank);
        let forged = b"x\r@brio exit 0\r\x0b\x0c\x08\x00@brio\n";
        let lines = printed(&mut log, bank, &[forged]);
        assert_eq!(lines, ["\x1b[32mhello\x1b[0m | x@brio exit 0????@brio\n"]);
    }

    #[test]
    fn long_lines_are_cut_and_tagged_again() {
        let bank = &mut bank(64);
        let mut log = log(bank);
        let lines = printed(&mut log, bank, &[&[b'a'; LINE_MAX + 5], b"\n"]);
        assert_eq!(lines.len(), 2);
        assert!(lines[0].len() < WRITE_SIZE);
        assert_eq!(lines[1], "\x1b[32mhello\x1b[0m | aaaaa\n");
    }

    #[test]
    fn tags_are_printable_and_short() {
        assert_eq!(Tag::new(b"a\n@b c").as_str(), "a?@b?c");
        assert_eq!(Tag::new(&[b'x'; 100]).as_str().len(), TAG_MAX);
        assert_eq!(Tag::new(b"up").child(b"down").as_str(), "up/down");
        assert_eq!(Tag::new(&[b'x'; 31]).child(b"down").as_str().len(), TAG_MAX);
    }
}
