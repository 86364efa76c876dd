//! Which protocol started us, and what it says.

use bootstrap::{
    Error,
    firmware::{
        Platform,
        x86_64::{multiboot2, pvh},
    },
};

use super::console;
use crate::machine::memory::physical;

/// What the entry code says for PVH, which has no magic number in a register.
pub(crate) const PVH: u32 = 0x5056_4830;

/// Reads the information of the protocol.
pub(crate) fn platform(protocol: u64, information: u64) -> Result<Platform, Error> {
    console::initialise();
    match protocol as u32 {
        PVH => {
            let start_info = physical(information, pvh::SIZE)
                .first_chunk()
                .ok_or(Error::Protocol)?;
            pvh::platform(start_info, physical)
        }
        multiboot2::MAGIC => {
            let size = physical(information, 4)
                .first_chunk()
                .ok_or(Error::Protocol)?;
            multiboot2::platform(physical(
                information,
                multiboot2::size(u32::from_le_bytes(*size)),
            ))
        }
        _ => Err(Error::Protocol),
    }
}
