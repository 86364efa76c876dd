//! A network switch: each client has a virtio network card, and all cards are on one Ethernet.
//!
//! `frame` Ethernet frames · `table` which address is at which port · `capture` frames of a port, for
//! Wireshark · `options` what a client's arguments ask for · `switching` the frames between the ports ·
//! `service` the clients.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

pub mod capture;
#[cfg(any(test, feature = "fixture"))]
pub mod fixture;
pub mod frame;
pub mod options;
pub mod service;
pub mod switching;
pub mod table;

/// Serves the channel `net`, for ever.
pub fn main() -> l4_rt::Result<core::convert::Infallible> {
    l4_virtio::transport::serve("net", service::switch()?)
}
