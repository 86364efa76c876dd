//! A virtual machine monitor for unmodified Linux: small, without an instruction emulator.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod devices;
pub mod end;
pub mod file;
pub mod statistics;
pub mod vmm;

// A machine needs its own alone; tests have both.
#[cfg(any(not(target_os = "none"), target_arch = "aarch64"))]
pub mod aarch64;
#[cfg(any(not(target_os = "none"), target_arch = "x86_64"))]
pub mod x86_64;

// The loop that runs the guest and serves its exits.
#[cfg_attr(not(target_os = "none"), path = "vmm/hosted/mod.rs")]
#[cfg_attr(
    all(target_os = "none", target_arch = "x86_64"),
    path = "vmm/x86_64/mod.rs"
)]
#[cfg_attr(
    all(target_os = "none", target_arch = "aarch64"),
    path = "vmm/aarch64/mod.rs"
)]
mod guest_loop;
