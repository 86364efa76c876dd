//! What the test asks whoever started it.

use core::fmt::{self, Write};
use core::time::Duration;

use l4_test::sys::fatal::Line;
use l4_test::sys::ipc;
use l4_test::{own, suite};

/// How long an answer may take, and how often to look for it.
const PATIENCE: Duration = Duration::from_secs(60);
const INTERVAL: Duration = Duration::from_millis(10);
/// Calls and first seed if there is no answer.
const DEFAULT: (u64, u64) = (100_000, 1);

/// How many calls to make, and the seed of the first round.
pub(crate) fn ask() -> (u64, u64) {
    print(format_args!("how many calls, from which seed?"));
    let mut line = [0; 64];
    let mut length = 0;
    for _ in 0..PATIENCE.as_millis() / INTERVAL.as_millis() {
        if let Ok(status) = own::log().read(&mut line[length..]) {
            length += status.count;
        }
        if length == line.len() || line[..length].ends_with(b"\n") {
            break;
        }
        suite::is_alive();
        ipc::sleep(INTERVAL);
    }
    let text = core::str::from_utf8(&line[..length]).unwrap_or("");
    let mut numbers = text.split_whitespace().flat_map(str::parse);
    (
        numbers.next().unwrap_or(DEFAULT.0),
        numbers.next().unwrap_or(DEFAULT.1),
    )
}

/// Prints a line.
pub(crate) fn print(text: fmt::Arguments<'_>) {
    let mut line = Line::new();
    let _ = line.write_fmt(text);
    let _ = own::log().write(line.finish());
}
