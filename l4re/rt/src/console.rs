//! `println!`: whole lines to the program's log.

use core::fmt::{self, Write};

use l4_abi::protocol::log::WRITE_SIZE;
use l4_sys::Utcb;

use crate::env;
use crate::sync::Mutex;

/// Prints to the log without ending the line.
#[macro_export]
macro_rules! print {
    ($($argument:tt)*) => {
        $crate::console::write(::core::format_args!($($argument)*))
    };
}

/// Prints a line to the log.
#[macro_export]
macro_rules! println {
    () => { $crate::print!("\n") };
    ($($argument:tt)*) => {
        $crate::console::write_line(::core::format_args!($($argument)*))
    };
}

/// Prints a line to the log; a program has only the one log.
#[macro_export]
macro_rules! eprintln {
    ($($argument:tt)*) => { $crate::println!($($argument)*) };
}

static OUTPUT: Mutex<LineBuffer> = Mutex::new(LineBuffer::new());

/// Collects text until a line ends or a message is full, so that lines of different threads and
/// programs do not mix.
struct LineBuffer {
    bytes: [u8; WRITE_SIZE],
    length: usize,
}

impl LineBuffer {
    const fn new() -> Self {
        Self {
            bytes: [0; WRITE_SIZE],
            length: 0,
        }
    }

    /// Adds `text`; `send` gets whatever is to go out now.
    fn push(&mut self, mut text: &[u8], mut send: impl FnMut(&[u8])) {
        while !text.is_empty() {
            let room = &mut self.bytes[self.length..];
            let count = text.len().min(room.len());
            room[..count].copy_from_slice(&text[..count]);
            let end = self.length + count;
            text = &text[count..];
            match self.bytes[..end].iter().rposition(|byte| *byte == b'\n') {
                Some(newline) => {
                    send(&self.bytes[..=newline]);
                    self.bytes.copy_within(newline + 1..end, 0);
                    self.length = end - (newline + 1);
                }
                None if end == self.bytes.len() => {
                    send(&self.bytes);
                    self.length = 0;
                }
                None => self.length = end,
            }
        }
    }

    fn flush(&mut self) {
        if self.length > 0 {
            send(&self.bytes[..self.length]);
            self.length = 0;
        }
    }
}

impl Write for LineBuffer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes(), send);
        Ok(())
    }
}

/// Sends one message to the log. The message registers stay as they were, so that printing does
/// no harm between the steps of an IPC. Without a log the text is lost.
pub(crate) fn send(text: &[u8]) {
    Utcb::current().preserve(|| {
        // A server that is gone was replaced before its clients' messages failed.
        let _ = env::log().write(text).or_else(|_| env::log().write(text));
    });
}

#[doc(hidden)]
pub fn write(arguments: fmt::Arguments<'_>) {
    let _ = OUTPUT.lock().write_fmt(arguments);
}

#[doc(hidden)]
pub fn write_line(arguments: fmt::Arguments<'_>) {
    let mut output = OUTPUT.lock();
    let _ = output.write_fmt(arguments);
    let _ = output.write_str("\n");
}

/// Prints bytes as they are, whatever their encoding.
pub fn write_bytes(bytes: &[u8]) {
    OUTPUT.lock().push(bytes, send);
}

/// Sends what is left of an unfinished line.
pub fn flush() {
    OUTPUT.lock().flush();
}

/// As [`flush`], unless some thread, perhaps this one, is printing just now.
pub(crate) fn try_flush() {
    if let Some(mut output) = OUTPUT.try_lock() {
        output.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(texts: &[&str]) -> (Vec<String>, usize) {
        let mut buffer = LineBuffer::new();
        let mut sent = Vec::new();
        for text in texts {
            buffer.push(text.as_bytes(), |bytes| {
                sent.push(String::from_utf8(bytes.to_vec()).unwrap())
            });
        }
        (sent, buffer.length)
    }

    #[test]
    fn a_line_goes_out_when_it_ends() {
        assert_eq!(messages(&["a", "b", "c\n"]), (vec!["abc\n".into()], 0));
        assert_eq!(
            messages(&["one\ntwo\nthr", "ee"]),
            (vec!["one\ntwo\n".into()], 5)
        );
        assert_eq!(messages(&["", "\n"]), (vec!["\n".into()], 0));
    }

    #[test]
    fn a_line_longer_than_a_message_goes_out_in_pieces() {
        let long = "x".repeat(WRITE_SIZE + 10);
        let (sent, left) = messages(&[&long, "\n"]);
        assert_eq!(sent, ["x".repeat(WRITE_SIZE), "x".repeat(10) + "\n"]);
        assert_eq!(left, 0);
    }

    #[test]
    fn a_line_that_fills_a_message_exactly_is_one_message() {
        let line = "y".repeat(WRITE_SIZE - 1) + "\n";
        assert_eq!(messages(&[&line]), (vec![line.clone()], 0));
    }
}
