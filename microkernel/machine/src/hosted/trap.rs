//! Faults and interrupts: the test calls the kernel with them itself.

pub use crate::event::{Fault, Interrupt};
