//! Random but plausible system calls: what a program could do that does its best to confuse the
//! kernel.
//!
//! Who attacks is a few threads in three tasks that have capabilities to one another and to an
//! object of every kind ([`layout`]). What they do is a row of [`Step`]s, most of them a
//! [`Call`] with words that mean something to somebody. All of it follows from [`Choices`]: a
//! seed, for tests that try much, or bytes, for a fuzzer that learns which choices lead to new
//! code. The same input does the same on the host and on a machine.
//!
//! Left out is what a program with these capabilities may do and what would end the test:
//! switching the machine off, and priorities above those of who watches.
#![no_std]

mod call;
mod choices;
pub mod layout;
mod request;
mod step;
mod word;

pub use call::{Call, MAX_BUFFERS, MAX_WORDS};
pub use choices::Choices;
pub use step::{Fault, GUEST_WORDS, Resume, Step};

#[cfg(test)]
mod tests;
