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
//! * [`root`] (feature `root`): programs in moe's place; the others are components (feature `component`).
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
#[cfg(feature = "component")]
#[doc(hidden)]
pub mod component;
pub mod console;
pub mod env;
mod heap;
mod memory;
#[cfg_attr(
    not(target_os = "none"),
    expect(dead_code, reason = "the host has its own")
)]
mod panic;
mod place;
#[cfg(all(feature = "root", target_os = "none"))]
pub mod root;
mod stack_block;
pub mod sync;
mod termination;
pub mod thread;
pub mod time;
pub mod vcpu;

#[cfg(feature = "component")]
pub use component::serve::serve;
pub use l4_abi::error::ResultCode;
pub use l4_abi::rights::CapabilityRights;
#[cfg(feature = "component")]
pub use l4_ipc::{Bytes, Outcome, Received, Request, Response};
pub use l4_sys::{Cap, OwnedCap};
#[cfg(feature = "component")]
#[doc(inline)]
pub use l4re as re;
pub use memory::unmap;
pub use termination::{Termination, exit};

/// Result of a `main`: any error ends the program with one line on the log.
pub type Result<T = (), E = alloc::boxed::Box<dyn core::error::Error>> = core::result::Result<T, E>;
