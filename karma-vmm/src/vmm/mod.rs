//! The monitor of one virtual machine.

mod alarm;
mod files;
mod input;
mod memory;
mod options;

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
pub(crate) fn main() -> Result<i32, Box<dyn Error>> {
    let options = Options::parse(l4_rt::env::args().skip(1))?;
    arch::run(&options)
}

/// The program's exit codes: a guest that has switched itself off, that wants to start anew (which is for the
/// component's restart policy), and that did what this machine does not have.
#[cfg_attr(
    not(all(target_os = "none", target_arch = "x86_64")),
    allow(dead_code, reason = "for what runs guests")
)]
mod code {
    pub(super) const OFF: i32 = 0;
    pub(super) const RESET: i32 = 2;
    pub(super) const STOPPED: i32 = 3;
}
