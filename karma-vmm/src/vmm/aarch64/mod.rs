//! aarch64: no guests yet.

use alloc::boxed::Box;
use core::error::Error;

use super::options::Options;

/// Says so.
pub(crate) fn run(_options: &Options) -> Result<i32, Box<dyn Error>> {
    Err("virtual machines on aarch64 are not there yet".into())
}
