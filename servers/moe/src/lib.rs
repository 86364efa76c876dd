//! moe, the root task: all memory, and the objects that programs are made of.
//!
//! * [`frames`], [`bank`], [`memory`]: the machine's memory, and who pays for what.
//! * [`object`]: what clients hold capabilities to: dataspaces, region maps, namespaces, factories,
//!   logs, scheduler proxies.
//!
//! * [`moe`]: the state, and how long objects live.
//! * [`boot`]: taking over the machine, starting ned.
//! * [`service`]: what clients can ask of each object.
//!
//! moe has no heap. What a client makes it remember lies in whole frames charged to that client's
//! factory, so no client can wear out what others depend on.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unstable_features)]

#[cfg_attr(target_arch = "aarch64", path = "aarch64/mod.rs")]
#[cfg_attr(not(target_arch = "aarch64"), path = "x86_64/mod.rs")]
mod arch;

pub mod bank;
pub mod boot;
pub mod frames;
pub mod memory;
pub mod moe;
pub mod object;
pub mod service;
