//! What the guest boots from: files of the component's `rom`.

use alloc::boxed::Box;
use core::error::Error;

use crate::file::File;
use l4_memory::Shared;
use l4_rt::{ResultCode, env};
use l4_sys::{OwnedCap, Result};
use l4re::{Dataspace, Namespace};

/// Kernel and initial RAM disk.
pub struct BootFiles {
    kernel: RomFile,
    ram_disk: Option<RomFile>,
}

impl BootFiles {
    /// Opens them.
    ///
    /// # Errors
    /// If there is no kernel; a RAM disk need not be.
    pub fn open() -> core::result::Result<Self, Box<dyn Error>> {
        let kernel = open("linux")?.ok_or("there is no file 'linux' in rom")?;
        let ram_disk = open("initramfs")?;
        Ok(Self { kernel, ram_disk })
    }

    /// The kernel.
    pub fn kernel(&self) -> File<'_, Shared> {
        self.kernel.file()
    }

    /// The RAM disk, if there is one.
    pub fn ram_disk(&self) -> Option<File<'_, Shared>> {
        self.ram_disk.as_ref().map(RomFile::file)
    }
}

struct RomFile {
    content: Shared,
    _dataspace: OwnedCap<Dataspace>,
}

impl RomFile {
    fn file(&self) -> File<'_, Shared> {
        File {
            content: &self.content,
            size: self.content.size(),
        }
    }
}

/// The file with this name; none, if the component has none.
fn open(name: &str) -> Result<Option<RomFile>> {
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
