//! A host runs no guests.

use alloc::boxed::Box;
use core::error::Error;

use crate::statistics::Statistics;
use crate::vmm::Stop;
use crate::vmm::options::Options;
use crate::vmm::provider::Provider;

/// Says so.
pub(crate) fn run(
    _options: &Options,
    _backing: Provider,
) -> Result<(Stop, Statistics), Box<dyn Error>> {
    Err("this program runs on the microkernel".into())
}
