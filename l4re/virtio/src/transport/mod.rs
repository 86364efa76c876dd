//! Virtio devices of servers: a configuration page that both ends see, operations by messages,
//! notifications by interrupts, and memory that the driver shares (l4virtio, `abi/08` §9).
//!
//! * [`Driver`] is the client's end.
//! * `Device` is one client's device at the server; `serve` is a server of a `per_client` channel, with a
//!   device for each client (feature `server`).
//!
//! One interrupt in each direction is for all queues. Status and queues are set by messages; the
//! command word of the page (`FEATURE_COMMAND`) is not offered.

mod config;
#[cfg(feature = "server")]
mod device;
mod driver;
#[cfg(feature = "server")]
mod options;
#[cfg(feature = "server")]
mod server;

#[cfg(feature = "server")]
pub use device::{ClientMemory, Description, Device};
pub use driver::{Driver, DriverError};
#[cfg(feature = "server")]
pub use options::{options, size};
#[cfg(feature = "server")]
pub use server::{Service, Session, Sessions, serve};

/// Kinds of devices (virtio 1.2 §5).
pub mod kind {
    /// Network card.
    pub const NET: u32 = 1;
    /// Block device.
    pub const BLOCK: u32 = 2;
    /// Source of random bytes.
    pub const ENTROPY: u32 = 4;
}

/// Device status (virtio 1.2 §2.1).
pub mod status {
    pub use l4_abi::protocol::virtio::{
        STATUS_FAILED as FAILED, STATUS_NEEDS_RESET as NEEDS_RESET,
    };

    /// The driver has seen the device.
    pub const ACKNOWLEDGE: u32 = 1;
    /// It knows what to do with it.
    pub const DRIVER: u32 = 2;
    /// It is ready to go.
    pub const DRIVER_OK: u32 = 4;
    /// Both agree on the features.
    pub const FEATURES_OK: u32 = 8;
}

/// The only interrupt, in either direction.
const INTERRUPT: u32 = 0;
