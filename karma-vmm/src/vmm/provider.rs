//! Who gives the monitor what it runs the machine with.

use alloc::boxed::Box;
use core::error::Error;

use l4_memory::Shared;
use l4_sys::{AnyObject, OwnedCap};

/// Something it gives, or why not, as a person is told.
pub type Result<T> = core::result::Result<T, Box<dyn Error>>;

/// As what the monitor was started.
#[derive(Clone, Copy)]
pub struct Provider {
    /// Makes so many bytes of memory that can be mapped on to a machine, in blocks of 2^order bytes.
    pub memory: fn(size: u64, order: u32) -> Result<Provided>,
    /// Opens the file with this name; `None` if there is none.
    pub file: fn(name: &str) -> Result<Option<Provided>>,
}

/// What it gives.
pub struct Provided {
    /// To read it, and to write it if it is memory.
    pub shared: Shared,
    /// The dataspace that it is, if it is one.
    pub dataspace: Option<OwnedCap<AnyObject>>,
}
