//! Programs of this project: linked for their place, with everything else in the usual ones.

use l4_loader::{Elf, Error};
use l4_memory::Shared;

use crate::layout::Layout;

/// They run where they were linked for.
pub(crate) fn base(_: &Elf<'_>) -> u64 {
    0
}

/// They ask for nothing.
pub(crate) fn layout(_: &Elf<'_>, _: &Shared) -> Result<Layout, Error> {
    Ok(Layout::USUAL)
}

/// They do not look at their own headers.
pub(crate) fn program_headers(_: &Elf<'_>) -> Option<(u64, u64)> {
    None
}
