//! Without the feature `virtio` there are no devices that need more than the models' plain state.

use core::error::Error;

use super::memory::Ram;
use super::options::Options;
use crate::devices::absent::Devices;
use alloc::boxed::Box;
use l4_memory::Shared;

/// No devices are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted(());

impl Wanted {
    /// No argument asks for one.
    pub fn accept(&mut self, _: &str) -> bool {
        false
    }
}

/// The guest's virtio devices.
pub fn open(_: &Options, _: &Ram) -> Result<Devices<Shared>, Box<dyn Error>> {
    Ok(Devices::NONE)
}

/// No interrupt is from one of them.
pub fn number(_: u64) -> Option<usize> {
    None
}
