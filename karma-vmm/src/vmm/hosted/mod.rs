//! A host runs no guests.

use alloc::boxed::Box;
use core::error::Error;

use super::Stop;
use super::options::Options;
use crate::statistics::Statistics;

/// Says so.
pub(crate) fn run(_options: &Options) -> Result<(Stop, Statistics), Box<dyn Error>> {
    Err("this program runs on the microkernel".into())
}
