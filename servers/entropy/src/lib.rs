//! Random bytes, as virtio entropy devices (virtio 1.2 §5.4).
//!
//! `chacha` the cipher's block function · `generator` endless bytes from a seed · `source` where seeds
//! come from, and whether they can be trusted · `service` the clients.
#![cfg_attr(target_os = "none", no_std)]
#![forbid(unsafe_code)]

pub mod chacha;
pub mod generator;
pub mod service;
pub mod source;

/// Serves the channel `entropy`, for ever.
pub fn main() -> l4_rt::Result<core::convert::Infallible> {
    let may_use_jitter = l4_rt::env::args()
        .skip(1)
        .any(|argument| argument == "jitter");
    let (source, generator) = source::seeded(may_use_jitter)?;
    l4_rt::println!("seeded by {source}");
    l4_virtio::transport::serve("entropy", service::Entropy::new(generator))
}
