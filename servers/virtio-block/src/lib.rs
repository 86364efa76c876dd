//! Disks made of memory or boot modules, as virtio block devices.
//!
//! `options` what a client's arguments ask for · `disk` content, and what was written over it ·
//! `request` the requests of a queue · `service` the clients.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod disk;
pub mod options;
pub mod request;
pub mod service;

/// Serves the channel `block`, for ever.
pub fn main() -> l4_rt::Result<core::convert::Infallible> {
    l4_virtio::transport::serve("block", service::Disks)
}
