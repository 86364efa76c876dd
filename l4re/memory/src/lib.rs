//! Safe views of memory that others may change at any time.
//!
//! Rust references promise that nobody else writes. For memory that is shared with another program
//! that would be a lie, so there are no references into it here: bytes are copied in and out, words
//! are read and written whole, and every access is checked against the view's size.
//!
//! The memory may even vanish, when the program that pays for it ends. So all accesses are made by a
//! few routines in assembly (`x86_64/`, `aarch64/`; `hosted/` for tests) which, by a rescue jump of
//! the region map, come back with an error instead of ending the program ([`guarded`]).
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unstable_features)]

extern crate alloc;

#[cfg_attr(not(target_os = "none"), path = "hosted/mod.rs")]
#[cfg_attr(
    all(target_os = "none", target_arch = "x86_64"),
    path = "x86_64/mod.rs"
)]
#[cfg_attr(
    all(target_os = "none", target_arch = "aarch64"),
    path = "aarch64/mod.rs"
)]
#[cfg_attr(
    not(feature = "dataspace"),
    allow(dead_code, reason = "memory that stays needs no rescue")
)]
mod arch;

mod addressed;
#[cfg(feature = "dataspace")]
mod dataspace;
mod guarded;
#[cfg(all(feature = "root", target_os = "none"))]
mod pages;
mod shared;

pub use addressed::Memory;
pub use guarded::Inaccessible;
pub use shared::{Access, Shared};
