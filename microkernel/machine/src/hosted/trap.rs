//! Faults and interrupts: the test calls the kernel with them itself.

pub use crate::event::{Fault, Source};

/// An interrupt as the CPU reports it: here with where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupt(pub Source);
