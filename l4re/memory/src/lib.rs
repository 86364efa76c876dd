//! Safe views of memory that others may change at any time.
//!
//! Rust references promise that nobody else writes. For memory that is shared with another program
//! that would be a lie, so there are no references into it here: bytes are copied in and out, words
//! are read and written whole, and every access is checked against the view's size.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unstable_features)]

extern crate alloc;

mod shared;

pub use shared::Shared;
