//! What servers with an object for each client are made of.
//!
//! * [`clients`]: being the server of a `per_client` channel, a gate for each client.
//! * [`Registry`]: the objects behind the gates.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]
#![forbid(unstable_features)]

pub mod clients;
mod registry;

pub use registry::Registry;
