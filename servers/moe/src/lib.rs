//! moe, the root task: all memory, and the objects that programs are made of.
//!
//! * [`frames`], [`bank`], [`memory`]: the machine's memory, and who pays for what.
//! * [`object`]: what clients hold capabilities to: dataspaces, region maps, namespaces, factories,
//!   logs, scheduler proxies.
//!
//! moe has no heap. What a client makes it remember lies in whole frames charged to that client's
//! factory, so no client can wear out what others depend on.
#![cfg_attr(not(test), no_std)]
#![forbid(unstable_features)]

pub mod bank;
pub mod frames;
pub mod memory;
pub mod object;
