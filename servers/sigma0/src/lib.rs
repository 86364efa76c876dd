//! sigma0, the first program: owner of all physical memory and I/O ports, and nothing else.
//!
//! The kernel lets sigma0 send any page it likes, mapped one to one. What sigma0 adds is that
//! nothing is handed out twice, and that what belongs to the kernel is not handed out at all.
//!
//! * [`spans`]: who owns which addresses.
//! * [`memory`]: what the kernel info page says about them at the start.
//! * [`requests`]: the protocol of `abi/07` §3, as a function from request to answer.
//!
//! `main.rs` receives the requests and sends the answers.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![forbid(unstable_features)]

pub mod memory;
pub mod requests;
pub mod spans;
