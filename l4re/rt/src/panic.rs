//! The end of a program that panicked.

use core::fmt::Write;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};

use l4_sys::fatal::Line;

use crate::termination::{PANIC_EXIT_CODE, leave};
use crate::{backtrace, console, env};

static PANICKING: AtomicBool = AtomicBool::new(false);

/// Prints one line and the backtrace, tells the parent, ends. The console's lock may be held by
/// the panicking thread, so the lines are built apart from it.
#[cfg_attr(target_os = "none", panic_handler)]
fn panic(info: &PanicInfo<'_>) -> ! {
    if !PANICKING.swap(true, Ordering::Relaxed) {
        console::try_flush();
        let mut line = Line::new();
        let _ = write!(line, "{} panicked", env::program_name());
        if let Some(location) = info.location() {
            let _ = write!(line, " at {location}");
        }
        let _ = write!(line, ": {}", info.message());
        console::send(line.finish());

        let mut line = Line::new();
        let _ = write!(line, "backtrace {}", env::program_name());
        let distance = env::place().map_or(0, |place| (place.distance)());
        backtrace::walk(|address| {
            let _ = write!(line, " {:#x}", address.wrapping_sub(distance));
        });
        console::send(line.finish());
    }
    leave(PANIC_EXIT_CODE)
}
