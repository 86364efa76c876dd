//! The device tree that firmware left for us.

use bootstrap::{
    Error,
    firmware::{Platform, aarch64::device_tree},
};

use crate::machine::memory::physical;

/// Reads the tree at `address`.
pub(crate) fn platform(_: u64, address: u64) -> Result<Platform, Error> {
    let header = physical(address, device_tree::HEADER_SIZE).first_chunk();
    let size = header.and_then(device_tree::size).ok_or(Error::Protocol)?;
    device_tree::platform(physical(address, size), address)
}
