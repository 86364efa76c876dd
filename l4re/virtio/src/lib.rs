//! Virtio 1.x: split virtqueues, for both ends.
//!
//! * [`ring`]: where a queue lies, and what its three parts look like.
//! * [`DeviceQueue`] takes requests out: for device models over a guest's memory, and for servers
//!   over what their clients share. [`Chain`] is one request: its buffers, to be read and written.
//! * `DriverQueue` puts requests in: for clients (feature `driver-queue`).
//! * [`transport`]: devices of servers, which share memory with their clients (l4virtio). The servers' end
//!   is there with the feature `server`.
//!
//! **The other end is hostile.** What lies in shared memory is read once, into a local value, then
//! checked, and never read again. An index that ran ahead, a descriptor that is not there, a chain that
//! has no end or an address that leads nowhere is a [`QueueError`]; what a queue keeps to itself
//! (free descriptors, what is under way) is not in shared memory. The queues neither panic nor allocate.
//!
//! Not offered: packed queues, indirect descriptors, event indices. Numbers are those of the virtio
//! specification 1.2, §2.7.
#![cfg_attr(not(any(test, feature = "fixture")), no_std)]
#![forbid(unsafe_code)]

mod chain;
mod device_queue;
#[cfg(feature = "driver-queue")]
mod driver_queue;
#[cfg(any(test, feature = "fixture"))]
pub mod fixture;
#[cfg(feature = "server")]
mod regions;
pub mod ring;
pub mod transport;

pub use chain::{Chain, MAX_BUFFERS};
pub use device_queue::DeviceQueue;
#[cfg(feature = "driver-queue")]
pub use driver_queue::{Completion, DriverQueue};
pub use l4_memory::{Inaccessible, Memory};
#[cfg(feature = "server")]
pub use regions::{RegionError, Regions};
pub use ring::{Buffer, Layout, QueueError};
