//! The loader that runs before the kernel, and is gone after it.
//!
//! This library is all of it that can be said without a machine: what firmware tells
//! ([`firmware`]), where things go ([`memory_map`]), and what the kernel finds when it starts
//! (`abi/07` §1). The program around it (`machine/`) has the entry code, the console and the jump,
//! one folder per architecture; the only unsafe code is there.
//!
//! Bootstrap reads each thing once and trusts firmware, but not the boot image: a damaged one ends
//! with one line.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod boot;
pub mod firmware;
pub mod kernel_info;
pub mod kernel_options;
pub mod list;
pub mod memory_map;
pub mod module_list;
pub mod program;

mod error;
#[cfg(test)]
mod tests;

pub use error::Error;
