//! What was attempted when something failed, for those who make programs run.

use core::fmt;

use crate::Error;

/// What was attempted, and why it failed. Its `Display` is one line. `P` says what is wrong with a program.
#[derive(Clone, Copy, Debug)]
pub struct Failure<P> {
    /// What could not be done: "make its task".
    pub action: &'static str,
    /// Why.
    pub reason: Reason<P>,
}

/// Why something failed.
#[derive(Clone, Copy, Debug)]
pub enum Reason<P> {
    /// A call did.
    Call(Error),
    /// The program is refused.
    Program(P),
    /// Neither a call nor a program is the reason.
    Text(&'static str),
}

impl<P: fmt::Display> fmt::Display for Failure<P> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "cannot {}: ", self.action)?;
        match &self.reason {
            Reason::Call(error) => error.fmt(out),
            Reason::Program(error) => error.fmt(out),
            Reason::Text(text) => out.write_str(text),
        }
    }
}

impl<P: fmt::Debug + fmt::Display> core::error::Error for Failure<P> {}

/// Says what was attempted when a call failed: `factory.create_task(area).to("make its task")?`.
pub trait Attempt<T> {
    /// The result, with what it was for.
    fn to<P>(self, action: &'static str) -> Result<T, Failure<P>>;
}

impl<T, E: Into<Error>> Attempt<T> for Result<T, E> {
    fn to<P>(self, action: &'static str) -> Result<T, Failure<P>> {
        self.map_err(|error| Failure {
            action,
            reason: Reason::Call(error.into()),
        })
    }
}
