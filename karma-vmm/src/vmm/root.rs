//! The monitor in moe's place: memory is sigma0's, and files are the boot modules.

use alloc::format;

use l4_memory::Shared;
use l4_rt::root::{self, Pages};

use super::provider::{Provided, Provider, Result};

/// Runs the guest until it ends; the program's exit code.
pub fn main() -> Result<i32> {
    super::run(Provider { memory, file })
}

fn memory(size: u64, order: u32) -> Result<Provided> {
    let pages = root::fresh(size, order)
        .map_err(|error| format!("the guest's memory: {error}; does the machine have more?"))?;
    Ok(provided(pages, true))
}

fn file(name: &str) -> Result<Option<Provided>> {
    Ok(root::file(name)?.map(|pages| provided(pages, false)))
}

fn provided(pages: Pages, is_writable: bool) -> Provided {
    Provided {
        shared: Shared::of_pages(pages, is_writable),
        dataspace: None,
    }
}
