//! The monitor as a component: memory is a dataspace, and files are those of its `rom`.

use alloc::format;

use l4_memory::Shared;
use l4_rt::{ResultCode, env};
use l4_sys::OwnedCap;
use l4re::mem_alloc::DataspaceFlags;
use l4re::{Dataspace, Namespace};

use super::provider::{Provided, Provider, Result};

/// Runs the guest until it ends; the program's exit code.
pub fn main() -> Result<i32> {
    super::run(Provider { memory, file })
}

fn memory(size: u64, order: u32) -> Result<Provided> {
    let flags = DataspaceFlags::CONTINUOUS | DataspaceFlags::SUPER_PAGES;
    let dataspace = env::mem_alloc().create_dataspace(size, flags, order);
    let dataspace = dataspace
        .map_err(|error| format!("the guest's memory: {error}; does the component have more?"))?;
    Ok(Provided {
        shared: Shared::for_guest(*dataspace, order)?,
        dataspace: Some(dataspace.cast()),
    })
}

fn file(name: &str) -> Result<Option<Provided>> {
    let Ok(rom) = env::cap::<Namespace>("rom") else {
        return Ok(None);
    };
    let dataspace: OwnedCap<Dataspace> = match rom.lookup(name) {
        Err(error) if error == ResultCode::ENOENT.into() => return Ok(None),
        found => found?,
    };
    Ok(Some(Provided {
        shared: Shared::read_only(*dataspace)?,
        dataspace: Some(dataspace.cast()),
    }))
}
