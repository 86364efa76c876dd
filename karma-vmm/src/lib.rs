//! A virtual machine monitor for unmodified Linux: small, without an instruction emulator.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod aarch64;
pub mod devices;
pub mod end;
pub mod file;
pub mod statistics;
pub mod vmm;
pub mod x86_64;
