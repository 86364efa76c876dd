//! moe as a program: see the library for what it does.
#![cfg_attr(target_os = "none", no_std, no_main)]

#[cfg(target_os = "none")]
mod program;

/// On the host there is only the library, to be tested.
#[cfg(not(target_os = "none"))]
fn main() {}
