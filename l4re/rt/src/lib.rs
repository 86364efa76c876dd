//! The runtime of native programs.
//!
//! A program is a `main` and [`entry!`]:
//!
//! ```ignore
//! #![no_std]
//! #![no_main]
//!
//! use l4_rt::println;
//!
//! l4_rt::entry!(main);
//!
//! fn main() {
//!     println!("Hello, world!");
//! }
//! ```
//!
//! * [`mod@env`]: initial capabilities and arguments; [`println!`] and [`eprintln!`] write to the log.
//! * The heap grows on demand, so the `alloc` crate works.
//! * [`thread`]: threads, and thread-local values (feature `thread-local`); [`sync`]: a mutex; [`time`]: clock and sleep.
//! * [`serve`]: being the server of a channel. [`vcpu`]: running virtual machines.
//! * A panic ends the program: one line and a backtrace on the log, then its parent is told.
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
#[doc(hidden)]
pub mod arch;

mod backtrace;
pub mod console;
pub mod env;
mod heap;
pub mod memory;
#[cfg_attr(
    not(target_os = "none"),
    expect(dead_code, reason = "the host has its own")
)]
mod panic;
mod serve;
mod stack_block;
#[doc(hidden)]
pub mod start;
pub mod sync;
mod termination;
pub mod thread;
pub mod time;
pub mod vcpu;

pub use l4_ipc::{Bytes, CapabilityRights, Outcome, Received, Request, Response, ResultCode};
pub use l4_sys::{Cap, OwnedCap};
#[doc(inline)]
pub use l4re as re;
pub use serve::serve;
pub use termination::{Termination, exit};

/// Result of a `main`: any error ends the program with one line on the log.
pub type Result<T = (), E = alloc::boxed::Box<dyn core::error::Error>> = core::result::Result<T, E>;
