//! A host runs no guests.

use alloc::boxed::Box;
use core::error::Error;

use super::options::Options;

/// Says so.
pub(crate) fn run(_options: &Options) -> Result<i32, Box<dyn Error>> {
    Err("this program runs on the microkernel".into())
}
