//! The few lines that bootstrap prints.

use core::fmt::{Arguments, Write};

use super::arch;

/// Prints one line.
pub(crate) fn line(text: Arguments<'_>) {
    // The console takes everything.
    let _ = writeln!(arch::console::Console, "{text}\r");
}

/// Says why the system does not start, in the form that tools look for, and stops.
pub(crate) fn panic(text: Arguments<'_>) -> ! {
    line(format_args!("@brio panic bootstrap: {text}"));
    arch::hand_over::stop()
}
