//! How a program ends.

use core::convert::Infallible;
use core::fmt::Display;

use crate::{console, env, eprintln};

/// Exit code of a program that panicked.
pub(crate) const PANIC_EXIT_CODE: i32 = 101;

/// Ends the program with `code`; 0 is success.
///
/// Its parent learns the code. Other threads run on until it removes them.
pub fn exit(code: i32) -> ! {
    console::flush();
    leave(code)
}

/// Ends it without its last words.
pub(crate) fn leave(code: i32) -> ! {
    match env::place() {
        Some(place) => (place.leave)(code),
        None => l4_sys::ipc::sleep_forever(),
    }
}

/// What `main` may return.
pub trait Termination {
    /// The exit code; an error is printed.
    fn exit_code(self) -> i32;
}

impl Termination for () {
    fn exit_code(self) -> i32 {
        0
    }
}

impl Termination for i32 {
    fn exit_code(self) -> i32 {
        self
    }
}

impl Termination for Infallible {
    fn exit_code(self) -> i32 {
        match self {}
    }
}

impl<T: Termination, E: Display> Termination for Result<T, E> {
    fn exit_code(self) -> i32 {
        match self {
            Ok(value) => value.exit_code(),
            Err(error) => {
                eprintln!("{}: {error}", env::program_name());
                1
            }
        }
    }
}
