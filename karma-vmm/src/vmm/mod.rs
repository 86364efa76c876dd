//! The monitor of one virtual machine, as a program: what it adds to the models. The guest's memory, clock and
//! input, and in a folder for each architecture the loop that runs the guest and serves its exits.

pub mod alarm;
pub mod files;
pub mod input;
pub mod memory;
pub mod options;
pub mod remote;

#[cfg_attr(not(target_os = "none"), path = "hosted/mod.rs")]
#[cfg_attr(
    all(target_os = "none", target_arch = "x86_64"),
    path = "x86_64/mod.rs"
)]
#[cfg_attr(
    all(target_os = "none", target_arch = "aarch64"),
    path = "aarch64/mod.rs"
)]
mod arch;

use alloc::boxed::Box;
use core::error::Error;

use options::Options;

/// Runs the guest until it ends; the program's exit code.
pub fn main() -> Result<i32, Box<dyn Error>> {
    let options = Options::parse(l4_rt::env::args().skip(1))?;
    arch::run(&options)
}

/// The program's exit codes.
pub mod code {
    /// The guest has switched itself off.
    pub const OFF: i32 = 0;
    /// The guest wants to start anew, which is for the component's restart policy.
    pub const RESET: i32 = 2;
    /// The guest did what its machine does not have.
    pub const STOPPED: i32 = 3;
}
