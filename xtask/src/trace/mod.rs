//! What a kernel with trace buffers noted, as a picture that standard viewers show.
//!
//! `buffer` reads the buffers out of the machine's memory · `chrome` makes events of them, in the
//! format that Chrome's and Perfetto's viewers open · `check` knows what such events must be like

pub mod buffer;
#[cfg_attr(not(test), allow(dead_code, reason = "the test of traces uses it"))]
pub mod check;
pub mod chrome;
