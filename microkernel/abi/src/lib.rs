//! Every number and layout that crosses the user/kernel line, once.
//!
//! The crate is the contract between the kernel, the loader before it and every program above
//! it. It holds plain values and pure functions: no state, no unsafe code, no system calls.
//! References such as `abi/03` name the page of the ABI description that a number comes from.
//!
//! Layouts of both architectures are compiled on hosts, so that one test run checks both; programs
//! for a machine have its own only, [`arch::native`].
#![no_std]
#![forbid(unsafe_code)]

pub mod arch;
pub mod boot;
pub mod capability;
pub mod error;
pub mod exception;
mod flags;
pub mod flexpage;

pub mod item;
pub mod kip;
pub mod l4re;
pub mod message_tag;
pub mod operation;
pub mod protocol;
pub mod rights;
pub mod timeout;
#[cfg(feature = "trace")]
pub mod trace;
pub mod utcb;
pub mod vcpu;
