//! Lines on the kernel's console, and what whoever started the test types.

use core::fmt::{self, Write};
use core::time::Duration;

use l4_sys::fatal::Line;
use l4_sys::ipc;

use crate::{own, suite};

/// How long an answer may take, and how often to look for it.
const PATIENCE: Duration = Duration::from_secs(60);
const INTERVAL: Duration = Duration::from_millis(10);

/// Asks for numbers; those that were not given are the default.
pub fn ask<const N: usize>(question: &str, default: [u64; N]) -> [u64; N] {
    print(format_args!("{question}"));
    let mut line = [0; 64];
    let mut length = 0;
    for _ in 0..PATIENCE.as_millis() / INTERVAL.as_millis() {
        if let Ok(status) = own::log().read(&mut line[length..]) {
            length += status.count;
        }
        if length == line.len() || line[..length].contains(&b'\n') {
            break;
        }
        suite::is_alive();
        ipc::sleep(INTERVAL);
    }
    let text = core::str::from_utf8(&line[..length]).unwrap_or("");
    let mut numbers = text.split_whitespace().flat_map(str::parse);
    default.map(|default| numbers.next().unwrap_or(default))
}

/// Prints a line.
pub fn print(text: fmt::Arguments<'_>) {
    let mut line = Line::new();
    let _ = line.write_fmt(text);
    let _ = own::log().write(line.finish());
}
