//! Without the feature `gic-v2` all machines have version 3.

use alloc::boxed::Box;
use core::error::Error;

pub(crate) use super::devices::gic::v3::{interfaces, read, write};

const MISSING: &str =
    "the GIC is not of version 3; for version 2 build the monitor with the feature gic-v2";

/// The version.
#[derive(Clone, Copy, Debug)]
pub struct Version;

impl Version {
    /// That of the host.
    ///
    /// # Errors
    /// If it is another.
    pub fn new<E>(
        version: u8,
        _: u8,
        _: impl FnOnce(u64) -> Result<(), E>,
    ) -> Result<Self, Box<dyn Error>> {
        if version != 3 {
            return Err(MISSING.into());
        }
        Ok(Self)
    }

    /// List registers are as they stand in a vCPU's state.
    pub fn widen(self, words: [u64; 4]) -> [u64; 4] {
        words
    }

    /// The same the other way.
    pub fn narrow(self, lists: [u64; 4]) -> [u64; 4] {
        lists
    }
}
