//! Loads Linux (its `Documentation/arm64/booting.rst`): the `Image` at a multiple of 2 MiB, then the RAM
//! disk, then the device tree.

use core::fmt;

use l4_memory::{Inaccessible, Memory};

use super::device_tree::{self, Machine};
use super::devices::gic::Version;
use super::psci::Start;
use crate::file::File;

const MAGIC: u32 = u32::from_le_bytes(*b"ARM\x64");
const ALIGNMENT: u64 = 2 << 20;
/// Why a kernel cannot be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// The file is no uncompressed kernel for aarch64.
    NoKernel,
    /// The machine has not enough memory.
    NoRoom,
    /// Memory cannot be read or written.
    Memory,
}

impl fmt::Display for LoadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NoKernel => "this is no Image of Linux for aarch64",
            Self::NoRoom => "kernel and RAM disk need more memory than the machine has",
            Self::Memory => "memory of the machine or of the files is not there",
        })
    }
}

impl core::error::Error for LoadError {}

impl From<Inaccessible> for LoadError {
    fn from(_: Inaccessible) -> Self {
        Self::Memory
    }
}

/// Puts kernel, RAM disk and device tree into `memory`, of which there are `size` bytes. How the kernel starts.
///
/// # Errors
/// If that is not possible; the memory may have parts of them then.
pub fn load<M: Memory, F: Memory>(
    memory: &M,
    size: u64,
    kernel: File<'_, F>,
    ram_disk: Option<File<'_, F>>,
    command_line: &str,
    (gic, cpus): (Version, u8),
    devices: usize,
) -> Result<Start, LoadError> {
    let mut header = [0; 64];
    if kernel.size < header.len() as u64 {
        return Err(LoadError::NoKernel);
    }
    kernel.content.read(0, &mut header)?;
    let word = |at: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&header[at..at + 8]);
        u64::from_le_bytes(bytes)
    };
    if word(56) as u32 != MAGIC {
        return Err(LoadError::NoKernel);
    }
    let (text_offset, image_size) = (word(8), word(16).max(kernel.size));
    // The first 2 MiB stay free: some kernels take the place before theirs.
    let start = ALIGNMENT
        .checked_add(text_offset)
        .ok_or(LoadError::NoRoom)?;
    let end = start.checked_add(image_size).ok_or(LoadError::NoRoom)?;
    let disk_start = end
        .checked_next_multiple_of(ALIGNMENT)
        .ok_or(LoadError::NoRoom)?;
    let disk_size = ram_disk.as_ref().map_or(0, |disk| disk.size);
    let tree_start = disk_start
        .checked_add(disk_size)
        .and_then(|end| end.checked_next_multiple_of(ALIGNMENT))
        .ok_or(LoadError::NoRoom)?;
    let tree = device_tree::write(&Machine {
        memory: size,
        ram_disk: ram_disk.as_ref().map(|disk| (disk_start, disk.size)),
        command_line,
        gic,
        cpus,
        devices,
    });
    let tree_end = tree_start.checked_add(tree.len() as u64);
    if tree_end.is_none_or(|end| end > size) {
        return Err(LoadError::NoRoom);
    }
    kernel.copy(0, memory, start)?;
    if let Some(disk) = ram_disk {
        disk.copy(0, memory, disk_start)?;
    }
    memory.write(tree_start, &tree)?;
    Ok(Start {
        ip: start,
        argument: tree_start,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;
    use l4_virtio::fixture::Ram;

    const SIZE: u64 = 16 << 20;

    fn image(size: u64) -> Vec<u8> {
        let mut image = vec![0x55; 4096];
        image[8..16].copy_from_slice(&0_u64.to_le_bytes());
        image[16..24].copy_from_slice(&size.to_le_bytes());
        image[56..60].copy_from_slice(&MAGIC.to_le_bytes());
        image
    }

    fn try_load(image: Vec<u8>, disk: usize) -> Result<(Ram, Start), LoadError> {
        let memory = Ram::new(SIZE as usize);
        let kernel = File {
            size: image.len() as u64,
            content: &Ram::with(image),
        };
        let disk = File {
            size: disk as u64,
            content: &Ram::with(vec![0xaa; disk]),
        };
        let entry = load(
            &memory,
            SIZE,
            kernel,
            Some(disk),
            "quiet",
            (Version::V3, 1),
            0,
        )?;
        Ok((memory, entry))
    }

    #[test]
    fn kernel_disk_and_tree_are_where_they_must_be() {
        let (memory, entry) = try_load(image(3 << 20), 5000).unwrap();
        assert_eq!(entry.ip, ALIGNMENT);
        let mut bytes = [0; 4];
        memory.read(entry.ip + 4092, &mut bytes).unwrap();
        assert_eq!(bytes, [0x55; 4]);
        // Behind what the kernel will clear.
        memory.read(6 << 20, &mut bytes).unwrap();
        assert_eq!(bytes, [0xaa; 4]);
        assert_eq!(entry.argument, 8 << 20);
        memory.read(entry.argument, &mut bytes).unwrap();
        assert_eq!(bytes, [0xd0, 0x0d, 0xfe, 0xed]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(try_load(image(SIZE), 0).err(), Some(LoadError::NoRoom));
        assert_eq!(try_load(image(u64::MAX), 0).err(), Some(LoadError::NoRoom));
        assert_eq!(
            try_load(image(0), SIZE as usize).err(),
            Some(LoadError::NoRoom)
        );
    }

    #[test]
    fn other_files_are_refused() {
        for other in [vec![], vec![0x1f; 4096], vec![0; 63]] {
            assert_eq!(try_load(other, 0).err(), Some(LoadError::NoKernel));
        }
    }
}
