//! How xtask fails: with one message for a person. Callers add what they were doing.

use std::fmt;

/// A message that says what went wrong and, where possible, what to do.
#[derive(Debug)]
pub struct Failure {
    message: String,
    /// Exit status of xtask. Never 0.
    pub status: u8,
}

pub type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    pub fn new(message: impl fmt::Display) -> Self {
        Self {
            message: message.to_string(),
            status: 1,
        }
    }

    pub fn with_status(self, status: u8) -> Self {
        Self {
            status: status.max(1),
            ..self
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// `result.context(|| "reading x")?` gives "reading x: no such file".
pub trait Context<T> {
    fn context<D: fmt::Display>(self, doing: impl FnOnce() -> D) -> Result<T>;
}

impl<T, E: fmt::Display> Context<T> for Result<T, E> {
    fn context<D: fmt::Display>(self, doing: impl FnOnce() -> D) -> Result<T> {
        self.map_err(|error| Failure::new(format_args!("{}: {error}", doing())))
    }
}

/// `fail!("no such {thing}")` returns from the function with a [`Failure`].
macro_rules! fail {
    ($($message:tt)*) => { return Err($crate::failure::Failure::new(format_args!($($message)*))) };
}
pub(crate) use fail;
