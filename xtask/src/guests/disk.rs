//! The disk of guests: Debian's packages as they are, unpacked but not set up, in an ext4 file system. It is made
//! without a mount and without root's rights.

use crate::boot_image::write_file;
use crate::failure::{Context, Result};
use std::path::Path;

/// Bytes, in the terms of mke2fs.
const SIZE: &str = "48M";

/// What a guest does not need: the kernel is outside of the disk.
const LEFT_OUT: [&str; 8] = [
    "boot",
    "lib/modules",
    "usr/share/doc",
    "usr/share/info",
    "usr/share/locale",
    "usr/share/man",
    "usr/lib/x86_64-linux-gnu/gconv",
    "usr/lib/aarch64-linux-gnu/gconv",
];

/// What busybox's init does, which Debian's has no part in: a shell on the console.
const TABLE: &str = "\
::sysinit:/bin/busybox mount -t tmpfs none /tmp
::sysinit:/bin/echo Debian is ready: a shell of bash
::respawn:/bin/busybox cttyhack /bin/bash -l
";

/// Makes it of unpacked packages, whose folder is changed.
pub(super) fn make(root: &Path, disk: &Path) -> Result<()> {
    for folder in LEFT_OUT {
        let folder = root.join(folder);
        if folder.exists() {
            let doing = || format!("removing {}", folder.display());
            std::fs::remove_dir_all(&folder).context(doing)?;
        }
    }
    write_file(&root.join("etc/inittab"), TABLE.as_bytes())?;
    let mut command = super::packages::command("mke2fs");
    command.args(["-q", "-F", "-t", "ext4", "-E", "root_owner=0:0", "-d"]);
    command.arg(root).arg(disk).arg(SIZE);
    super::packages::said(command).map(drop)
}
