//! The end of the system when a server that everything depends on cannot go on.

use core::fmt::{self, Write};

use crate::ipc;
use crate::object::{Log, PlatformControl};
use l4_abi::protocol::log::WRITE_SIZE;
use l4_abi::protocol::platform_control::Shutdown;

/// One line of text, cut where a single message to the log ends, so that nothing comes in between.
pub struct Line {
    bytes: [u8; WRITE_SIZE],
    length: usize,
}

impl Line {
    /// An empty line.
    pub const fn new() -> Self {
        Self {
            bytes: [0; WRITE_SIZE],
            length: 0,
        }
    }

    /// The text so far, with a newline behind it.
    pub fn finish(&mut self) -> &[u8] {
        self.bytes[self.length] = b'\n';
        &self.bytes[..=self.length]
    }
}

impl Write for Line {
    /// Line breaks within the text become spaces.
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes().take(WRITE_SIZE - 1 - self.length) {
            self.bytes[self.length] = if byte == b'\n' || byte == b'\r' {
                b' '
            } else {
                byte
            };
            self.length += 1;
        }
        Ok(())
    }
}

/// Prints `@brio panic NAME: REASON` and switches the machine off.
///
/// For sigma0, moe and ned only: nobody else holds the kernel's log and platform control.
pub fn end_system(
    log: Log,
    platform: PlatformControl,
    name: &str,
    reason: fmt::Arguments<'_>,
) -> ! {
    let mut line = Line::new();
    let _ = write!(line, "@brio panic {name}: {reason}");
    let _ = log.write(line.finish());
    let _ = platform.shutdown(Shutdown::PowerOff);
    ipc::sleep_forever()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_one_line_and_fits_one_message() {
        let mut line = Line::new();
        write!(line, "a\nb\r{}", "x".repeat(2 * WRITE_SIZE)).unwrap();
        let text = line.finish();
        assert_eq!(text.len(), WRITE_SIZE);
        assert!(text.starts_with(b"a b x") && text.ends_with(b"x\n"));
    }
}
