//! What the guest boots from: files of the component's `rom`.

use l4_memory::Shared;
use l4_rt::{ResultCode, env};
use l4_sys::{OwnedCap, Result};
use l4re::{Dataspace, Namespace};

/// A file.
pub struct RomFile {
    /// Its bytes.
    pub content: Shared,
    _dataspace: OwnedCap<Dataspace>,
}

/// The file with this name; none, if the component has none.
pub fn open(name: &str) -> Result<Option<RomFile>> {
    let Ok(rom) = env::cap::<Namespace>("rom") else {
        return Ok(None);
    };
    let dataspace: OwnedCap<Dataspace> = match rom.lookup(name) {
        Err(error) if error == ResultCode::ENOENT.into() => return Ok(None),
        found => found?,
    };
    Ok(Some(RomFile {
        content: Shared::read_only(*dataspace)?,
        _dataspace: dataspace,
    }))
}
