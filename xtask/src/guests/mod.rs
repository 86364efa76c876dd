//! What guests of virtual machines are made of: Debian's kernel for clouds, an initial RAM disk with
//! busybox and the drivers of virtio devices, the same with iperf, and a disk with a small Debian system. All of it
//! comes from Debian's packages; nothing is compiled.
//!
//! `packages` gets the packages, in the versions that `lock` names · `initramfs` makes the RAM disk · `disk` makes
//! the disk.

mod disk;
mod initramfs;
mod lock;
mod packages;

use crate::architecture::Architecture;
use crate::boot_image::{read, write_file};
use crate::failure::{Result, fail};
use crate::temporary::Temporary;
use crate::workspace::Workspace;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// A file that a guest boots from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guest {
    /// The kernel, as Debian made it.
    Linux,
    /// The RAM disk.
    Initramfs,
    /// The RAM disk with iperf.
    InitramfsIperf,
    /// The disk.
    Disk,
}

impl Guest {
    pub const ALL: [Self; 4] = [
        Self::Linux,
        Self::Initramfs,
        Self::InitramfsIperf,
        Self::Disk,
    ];

    /// Its name, in configurations and as a file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Linux => "linux",
            Self::Initramfs => "initramfs",
            Self::InitramfsIperf => "initramfs-iperf",
            Self::Disk => "disk",
        }
    }
}

/// The file, made if it is not there yet or is not of the packages that are wanted.
pub fn file(workspace: &Workspace, guest: Guest, arch: Architecture) -> Result<PathBuf> {
    static MAKING: Mutex<()> = Mutex::new(());
    let _alone = MAKING
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    let folder = workspace.guests().join(arch.name());
    let wanted = lock::read(workspace, arch)?;
    let stamp = format!("{}{}", lock::text(&wanted), initramfs::VERSION);
    let stamp_file = folder.join("made-of");
    let is_made = std::fs::read_to_string(&stamp_file).is_ok_and(|made| made == stamp);
    if !is_made {
        make(workspace, arch, &wanted, &folder)?;
        write_file(&stamp_file, stamp.as_bytes())?;
    }
    Ok(folder.join(guest.name()))
}

fn make(
    workspace: &Workspace,
    arch: Architecture,
    wanted: &[lock::Package],
    folder: &Path,
) -> Result<()> {
    println!(
        "Getting what guests on {arch} boot from: Debian's {}",
        lock::names(wanted)
    );
    let unpacked = Temporary::new("guests")?;
    packages::unpack(workspace, arch, wanted, unpacked.path())?;
    let boot = unpacked.path().join("boot");
    let Some(kernel) = packages::find(&boot, "vmlinuz-")? else {
        fail!("Debian's kernel for {arch} has no /boot/vmlinuz-*");
    };
    write_file(&folder.join(Guest::Linux.name()), &read(&kernel)?)?;
    for (guest, has_iperf) in [(Guest::Initramfs, false), (Guest::InitramfsIperf, true)] {
        let ram_disk = initramfs::make(unpacked.path(), arch, has_iperf)?;
        write_file(&folder.join(guest.name()), &ram_disk)?;
    }
    disk::make(unpacked.path(), &folder.join(Guest::Disk.name()))
}
