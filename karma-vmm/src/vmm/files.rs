//! What the guest boots from.

use alloc::boxed::Box;
use core::error::Error;

use super::provider::{Provided, Provider};
use crate::file::File;
use l4_memory::Shared;

/// Kernel and initial RAM disk.
pub struct BootFiles {
    kernel: Provided,
    ram_disk: Option<Provided>,
}

impl BootFiles {
    /// Opens them.
    ///
    /// # Errors
    /// If there is no kernel; a RAM disk need not be.
    pub fn open(provider: Provider) -> Result<Self, Box<dyn Error>> {
        let kernel = (provider.file)("linux")?.ok_or("there is no file 'linux' to boot")?;
        let ram_disk = (provider.file)("initramfs")?;
        Ok(Self { kernel, ram_disk })
    }

    /// The kernel.
    pub fn kernel(&self) -> File<'_, Shared> {
        file(&self.kernel)
    }

    /// The RAM disk, if there is one.
    pub fn ram_disk(&self) -> Option<File<'_, Shared>> {
        self.ram_disk.as_ref().map(file)
    }
}

fn file(provided: &Provided) -> File<'_, Shared> {
    File {
        content: &provided.shared,
        size: provided.shared.size(),
    }
}
