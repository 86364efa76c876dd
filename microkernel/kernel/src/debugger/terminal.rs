//! What the debugger shows on the console, and what is typed.

use core::fmt::{self, Write};

use machine::console::Console;

use super::command::Line;
use crate::cpu::Cpu;

/// The prompt.
const PROMPT: &str = "(debugger) ";
const BACKSPACE: u8 = 8;
const DELETE: u8 = 0x7f;

/// Writes a line to a [`Terminal`].
macro_rules! say {
    ($terminal:expr) => { $terminal.line(format_args!("")) };
    ($terminal:expr, $($argument:tt)*) => { $terminal.line(format_args!($($argument)*)) };
}

/// Writes a part of a line to a [`Terminal`].
macro_rules! say_part {
    ($terminal:expr, $($argument:tt)*) => { $terminal.part(format_args!($($argument)*)) };
}

pub(super) use {say, say_part};

/// The console, as the debugger uses it.
pub(super) struct Terminal<'a>(&'a Console);

impl<'a> Terminal<'a> {
    pub(super) fn new(cpu: &'a Cpu) -> Self {
        Self(&cpu.kernel.platform.console)
    }

    /// Writes a part of a line.
    pub(super) fn part(&self, text: fmt::Arguments<'_>) {
        // The console takes everything.
        let _ = Lines(self.0).write_fmt(text);
    }

    /// Writes a line.
    pub(super) fn line(&self, text: fmt::Arguments<'_>) {
        self.part(text);
        self.0.write(b"\r\n");
    }

    /// Writes a byte of text.
    pub(super) fn byte(&self, byte: u8) {
        match byte {
            b'\n' => self.0.write(b"\r\n"),
            other => self.0.write(&[other]),
        }
    }

    /// Lets a line be typed and corrected.
    pub(super) fn read_line(&self) -> Line {
        self.part(format_args!("{PROMPT}"));
        let mut line = Line::new();
        loop {
            let Some(byte) = self.0.read() else {
                machine::cpu::relax();
                continue;
            };
            match byte {
                b'\r' | b'\n' => {
                    self.0.write(b"\r\n");
                    return line;
                }
                BACKSPACE | DELETE if line.pop() => self.0.write(b"\x08 \x08"),
                b' '..=b'~' if line.push(byte) => self.0.write(&[byte]),
                _ => {}
            }
        }
    }
}

/// Ends lines as terminals want it.
struct Lines<'a>(&'a Console);

impl Write for Lines<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for part in text.split_inclusive('\n') {
            match part.strip_suffix('\n') {
                Some(line) => {
                    self.0.write(line.as_bytes());
                    self.0.write(b"\r\n");
                }
                None => self.0.write(part.as_bytes()),
            }
        }
        Ok(())
    }
}

/// Input that waits for others: the latest is lost when there is too much.
pub(super) struct Keys {
    bytes: [u8; Self::SIZE],
    first: usize,
    count: usize,
}

impl Keys {
    const SIZE: usize = 256;

    pub(super) const fn new() -> Self {
        Self {
            bytes: [0; Self::SIZE],
            first: 0,
            count: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn put(&mut self, byte: u8) {
        if self.count < Self::SIZE {
            self.bytes[(self.first + self.count) % Self::SIZE] = byte;
            self.count += 1;
        }
    }

    pub(super) fn take(&mut self) -> Option<u8> {
        if self.is_empty() {
            return None;
        }
        let byte = self.bytes[self.first];
        self.first = (self.first + 1) % Self::SIZE;
        self.count -= 1;
        Some(byte)
    }
}
