//! ISO images that PCs boot from, by BIOS and by UEFI, with GRUB in front of the boot image.

use crate::boot_image::{read, write_file};
use crate::failure::{Context, Result, fail};
use crate::setup;
use crate::temporary::Temporary;
use std::path::Path;
use std::process::Command;

/// The boot image's path on the CD.
const ON_CD: &str = "boot/brio";

/// Makes an ISO of a boot image; `title` is what GRUB calls it.
pub fn make(image: &[u8], title: &str, output: &Path) -> Result<()> {
    let mkrescue = setup::iso_tools()?;
    let folder = Temporary::new("iso")?;
    write_file(&folder.path().join(ON_CD), image)?;
    write_file(
        &folder.path().join("boot/grub/grub.cfg"),
        grub_menu(title).as_bytes(),
    )?;
    if let Some(parent) = output.parent() {
        std::fs::create_dir_all(parent).context(|| format!("creating {}", parent.display()))?;
    }
    let result = Command::new(mkrescue)
        .arg("-o")
        .arg(output)
        .arg(folder.path())
        .output();
    let result = result.context(|| format!("running {mkrescue}"))?;
    if !result.status.success() {
        fail!(
            "{mkrescue}: {}",
            String::from_utf8_lossy(&result.stderr).trim()
        );
    }
    Ok(())
}

fn grub_menu(title: &str) -> String {
    format!("set timeout=0\nmenuentry \"{title}\" {{\n    multiboot2 /{ON_CD}\n    boot\n}}\n")
}

/// The boot image on a CD.
pub fn extract(iso: &Path) -> Result<Vec<u8>> {
    setup::iso_tools()?;
    let folder = Temporary::new("extract")?;
    let file = folder.path().join("brio");
    let result = Command::new("xorriso")
        .args(["-osirrox", "on", "-indev"])
        .arg(iso)
        .arg("-extract")
        .arg(format!("/{ON_CD}"))
        .arg(&file)
        .output()
        .context(|| "running xorriso")?;
    if !result.status.success() {
        fail!(
            "{} is not an image that `cargo xtask image` made",
            iso.display()
        );
    }
    read(&file)
}
