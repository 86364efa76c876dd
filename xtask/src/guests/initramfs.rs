//! The initial RAM disk of guests: busybox, and the drivers of virtio devices, which are modules in Debian's
//! kernels.

use super::packages::find;
use crate::architecture::Architecture;
use crate::boot_image::read;
use crate::failure::{Context, Result, fail};
use cpio::newc::{Builder, ModeFileType, trailer};
use std::io::Write;
use std::path::Path;

/// Changes with what is made here, so that disks are made anew.
pub(super) const VERSION: u32 = 5;

/// Modules of each bus in the order in which they depend on each other, below the kernel's folder of modules.
const PCI: [&str; 5] = [
    "drivers/virtio/virtio_ring.ko",
    "drivers/virtio/virtio.ko",
    "drivers/virtio/virtio_pci_legacy_dev.ko",
    "drivers/virtio/virtio_pci_modern_dev.ko",
    "drivers/virtio/virtio_pci.ko",
];
const MMIO: [&str; 3] = [
    "drivers/virtio/virtio_ring.ko",
    "drivers/virtio/virtio.ko",
    "drivers/virtio/virtio_mmio.ko",
];
/// Modules of the devices.
const DEVICES: [&str; 6] = [
    "drivers/block/virtio_blk.ko",
    "net/core/failover.ko",
    "drivers/net/net_failover.ko",
    "drivers/net/virtio_net.ko",
    "drivers/char/virtio_console.ko",
    "drivers/char/hw_random/virtio-rng.ko",
];

/// What is done first. What the kernel's command line has that the kernel does not know is in the environment:
/// `ip=ADDRESS/BITS` for the network card, `httpd=FOLDER` to serve files, `iperf=FILE` for a server of iperf that
/// reports there, `ask=ADDRESS` to put a question to the echo server there each second and to print what it answers,
/// `disk=NAME` to go on with the system on that disk.
const START: &str = r#"#!/bin/sh
mount -t devtmpfs none /dev 2>/dev/null
mkdir -p /dev/pts
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devpts none /dev/pts
while read module; do insmod /lib/modules/$module; done </lib/modules/order
if [ -n "$disk" ]; then
    mount -t ext4 /dev/$disk /mnt
    for folder in dev proc sys; do mount --move /$folder /mnt/$folder; done
    exec switch_root /mnt /bin/busybox init
fi
# What the kernel opened before was not this console: it had no driver yet.
[ -c /dev/hvc0 ] && exec </dev/console >/dev/console 2>&1
hostname guest
ip link set lo up
[ -n "$ip" ] && ip link set eth0 up && ip addr add $ip dev eth0
[ -n "$httpd" ] && httpd -h $httpd
[ -n "$iperf" ] && iperf -s >$iperf &
[ -n "$ask" ] && while sleep 1; do while sleep 1; do echo question $((n+=1)); done | nc $ask 7; done &
echo "Linux $(uname -r) is ready: a shell of busybox"
exec busybox init
"#;

/// And then this, by busybox's init: a shell on the console, which comes back when it is left.
const TABLE: &str = "\
::respawn:/bin/cttyhack /bin/sh -l
::ctrlaltdel:/bin/reboot
::shutdown:/bin/umount -a -r 2>/dev/null
";

const PROFILE: &str = "export PS1='guest:\\w# '\n";

/// What iperf needs, which is linked dynamically: libraries, each in the folder where Debian has the architecture's.
const LIBRARIES: [(&str, &str); 4] = [
    ("lib", "libc.so.6"),
    ("lib", "libm.so.6"),
    ("lib", "libgcc_s.so.1"),
    ("usr/lib", "libstdc++.so.6"),
];

/// Makes the disk of unpacked packages.
pub(super) fn make(packages: &Path, arch: Architecture, has_iperf: bool) -> Result<Vec<u8>> {
    let mut disk = Disk::default();
    for folder in [
        "bin",
        "dev",
        "etc",
        "lib",
        "lib/modules",
        "lib64",
        "mnt",
        "proc",
        "root",
        "sys",
        "tmp",
    ] {
        disk.add(folder, ModeFileType::Directory, 0o755, &[])?;
    }
    disk.add(
        "bin/busybox",
        ModeFileType::Regular,
        0o755,
        &read(&packages.join("bin/busybox"))?,
    )?;
    disk.link("init", "etc/start")?;
    for applet in APPLETS.split_whitespace() {
        disk.link(&format!("bin/{applet}"), "busybox")?;
    }
    disk.console()?;
    disk.add("etc/start", ModeFileType::Regular, 0o755, START.as_bytes())?;
    disk.add(
        "etc/inittab",
        ModeFileType::Regular,
        0o644,
        TABLE.as_bytes(),
    )?;
    disk.add(
        "etc/profile",
        ModeFileType::Regular,
        0o644,
        PROFILE.as_bytes(),
    )?;
    disk.add(
        "etc/passwd",
        ModeFileType::Regular,
        0o644,
        b"root::0:0:root:/root:/bin/sh\n",
    )?;

    let Some(kernel) = find(&packages.join("lib/modules"), "")? else {
        fail!("Debian's kernel for {arch} has no modules");
    };
    let bus: &[&str] = match arch {
        Architecture::X86_64 => &PCI,
        Architecture::Aarch64 => &MMIO,
    };
    let mut order = String::new();
    for module in bus.iter().chain(&DEVICES) {
        let name = module.rsplit('/').next().unwrap_or(module);
        let content = read(&kernel.join("kernel").join(module))?;
        disk.add(
            &format!("lib/modules/{name}"),
            ModeFileType::Regular,
            0o644,
            &content,
        )?;
        order += &format!("{name}\n");
    }
    disk.add(
        "lib/modules/order",
        ModeFileType::Regular,
        0o644,
        order.as_bytes(),
    )?;
    if has_iperf {
        add_iperf(&mut disk, packages, arch)?;
    }
    disk.finish()
}

fn add_iperf(disk: &mut Disk, packages: &Path, arch: Architecture) -> Result<()> {
    // Programs name the linker by its path.
    let (libraries, linker_folder, linker) = match arch {
        Architecture::X86_64 => ("x86_64-linux-gnu", "lib64", "ld-linux-x86-64.so.2"),
        Architecture::Aarch64 => ("aarch64-linux-gnu", "lib", "ld-linux-aarch64.so.1"),
    };
    let mut add = |path: &str, source: &Path| {
        let content = read(&packages.join(source))?;
        disk.add(path, ModeFileType::Regular, 0o755, &content)
    };
    add("bin/iperf", Path::new("usr/bin/iperf"))?;
    let of_arch = |folder: &str, name: &str| Path::new(folder).join(libraries).join(name);
    for (folder, name) in LIBRARIES {
        add(&format!("lib/{name}"), &of_arch(folder, name))?;
    }
    add(
        &format!("{linker_folder}/{linker}"),
        &of_arch("lib", linker),
    )
}

/// The programs of busybox that guests have.
const APPLETS: &str = "[ ash awk base64 basename blockdev cat chmod chown chroot clear cmp cp cttyhack cut date dd df \
    dirname dmesg du echo egrep env expr false fgrep find free grep gunzip gzip halt head hexdump hostname httpd hwclock id \
    ifconfig init insmod ip kill killall less ln ls lsmod md5sum mkdir mke2fs mkfifo mknod mktemp more mount mv nc \
    netstat nproc nslookup od passwd ping pivot_root poweroff printf ps pwd readlink realpath reboot reset rev rm \
    rmdir rmmod route run-parts sed seq setsid sh sha256sum shuf sleep sort stat stty su swapoff swapon switch_root \
    sync sysctl tac tail tar taskset tee telnet test tftp time timeout top touch tr traceroute true truncate tty \
    udhcpc umount uname uniq unlink uptime usleep vi wc wget which xargs xxd yes zcat";

/// An archive in the format that Linux unpacks.
#[derive(Default)]
struct Disk {
    bytes: Vec<u8>,
    entries: u32,
}

impl Disk {
    fn add(&mut self, path: &str, kind: ModeFileType, mode: u32, content: &[u8]) -> Result<()> {
        let entry = self.entry(path).mode(mode).set_mode_file_type(kind);
        self.write(path, entry, content)
    }

    fn link(&mut self, path: &str, target: &str) -> Result<()> {
        self.add(path, ModeFileType::Symlink, 0o777, target.as_bytes())
    }

    /// The console's device file, which the kernel opens before anything is mounted.
    fn console(&mut self) -> Result<()> {
        let entry = self
            .entry("dev/console")
            .rdev_major(5)
            .rdev_minor(1)
            .mode(0o600);
        self.write(
            "dev/console",
            entry.set_mode_file_type(ModeFileType::Char),
            &[],
        )
    }

    fn entry(&mut self, path: &str) -> Builder {
        self.entries += 1;
        Builder::new(path).ino(self.entries).nlink(1)
    }

    fn write(&mut self, path: &str, entry: Builder, content: &[u8]) -> Result<()> {
        let mut writer = entry.write(&mut self.bytes, content.len() as u32);
        let written = writer
            .write_all(content)
            .and_then(|()| writer.finish().map(drop));
        written.context(|| format!("packing {path}"))
    }

    fn finish(mut self) -> Result<Vec<u8>> {
        trailer(&mut self.bytes).context(|| "packing the RAM disk")?;
        Ok(self.bytes)
    }
}
