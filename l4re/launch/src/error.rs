//! Why a program could not be launched.

use core::fmt;

use l4_sys::Error;

/// What was attempted, and why it failed. Its `Display` is one line.
#[derive(Clone, Copy, Debug)]
pub struct LaunchError {
    action: &'static str,
    reason: Reason,
}

#[derive(Clone, Copy, Debug)]
enum Reason {
    Call(Error),
    Program(l4_loader::Error),
    Text(&'static str),
}

impl LaunchError {
    pub(crate) fn program(action: &'static str, error: l4_loader::Error) -> Self {
        Self {
            action,
            reason: Reason::Program(error),
        }
    }

    /// A reason that no call and no file gave.
    pub fn text(action: &'static str, text: &'static str) -> Self {
        Self {
            action,
            reason: Reason::Text(text),
        }
    }
}

impl fmt::Display for LaunchError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "cannot {}: ", self.action)?;
        match &self.reason {
            Reason::Call(error) => error.fmt(out),
            Reason::Program(error) => error.fmt(out),
            Reason::Text(text) => out.write_str(text),
        }
    }
}

impl core::error::Error for LaunchError {}

/// Says what was attempted when a call failed: `factory.create_task(area).to("make its task")?`.
pub trait Attempt<T> {
    /// The result, with what it was for.
    fn to(self, action: &'static str) -> Result<T, LaunchError>;
}

impl<T, E: Into<Error>> Attempt<T> for Result<T, E> {
    fn to(self, action: &'static str) -> Result<T, LaunchError> {
        self.map_err(|error| LaunchError {
            action,
            reason: Reason::Call(error.into()),
        })
    }
}
