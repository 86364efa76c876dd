//! What the guest boots from.

use alloc::boxed::Box;
use alloc::format;
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
    /// Opens them: the kernel, which has this name, and `initramfs`.
    ///
    /// # Errors
    /// If there is no kernel; a RAM disk need not be.
    pub fn open(kernel: &str, provider: Provider) -> Result<Self, Box<dyn Error>> {
        let missing = || format!("there is no file '{kernel}' to boot");
        let kernel = (provider.file)(kernel)?.ok_or_else(missing)?;
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
