//! The tools, and what brings them on each system.

use super::host::System;

/// Something that must be there.
#[derive(Clone, Copy, Debug)]
pub struct Tool {
    debian: Source,
    fedora: Source,
    arch: Source,
    /// Not everything can be had there.
    mac_os: Option<Source>,
}

/// Where a tool comes from.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// A program in `PATH`, or a file if it starts with `/`.
    pub name: &'static str,
    pub package: &'static str,
}

impl Tool {
    /// Where it comes from; on systems that we do not know, what it is called on Debian.
    pub fn source(&self, system: System) -> Option<Source> {
        match system {
            System::Debian | System::Other => Some(self.debian),
            System::Fedora => Some(self.fedora),
            System::Arch => Some(self.arch),
            System::MacOs => self.mac_os,
        }
    }

    /// What it is called, whether it can be had or not.
    pub fn name(&self, system: System) -> &'static str {
        self.source(system).unwrap_or(self.debian).name
    }
}

const fn source(name: &'static str, package: &'static str) -> Source {
    Source { name, package }
}

pub const QEMU_X86_64: Tool = Tool {
    debian: source("qemu-system-x86_64", "qemu-system-x86"),
    fedora: source("qemu-system-x86_64", "qemu-system-x86-core"),
    arch: source("qemu-system-x86_64", "qemu-system-x86"),
    mac_os: Some(source("qemu-system-x86_64", "qemu")),
};

pub const QEMU_AARCH64: Tool = Tool {
    debian: source("qemu-system-aarch64", "qemu-system-arm"),
    fedora: source("qemu-system-aarch64", "qemu-system-aarch64-core"),
    arch: source("qemu-system-aarch64", "qemu-system-aarch64"),
    mac_os: Some(source("qemu-system-aarch64", "qemu")),
};

/// An emulator of Intel's processors, and its firmware. Any of its displays does; Debian's package of this
/// one is the smallest, and brings the emulator. The emulator's package does not always bring the firmware:
/// it is content with SeaBIOS, which QEMU has brought.
pub const BOCHS: [Tool; 3] = [
    of_bochs("bochs", "bochs-term"),
    of_bochs("/usr/share/bochs/BIOS-bochs-latest", "bochsbios"),
    of_bochs("/usr/share/bochs/VGABIOS-lgpl-latest", "vgabios"),
];

const fn of_bochs(name: &'static str, debian_package: &'static str) -> Tool {
    Tool {
        debian: source(name, debian_package),
        fedora: source(name, "bochs"),
        arch: source(name, "bochs"),
        mac_os: None,
    }
}

/// What compiles the fuzzer.
pub const CXX: Tool = Tool {
    debian: source("g++", "g++"),
    fedora: source("g++", "gcc-c++"),
    arch: source("g++", "gcc"),
    mac_os: Some(source("g++", "gcc")),
};

/// One that knows both architectures.
pub const GDB: Tool = Tool {
    debian: source("gdb-multiarch", "gdb-multiarch"),
    fedora: source("gdb", "gdb"),
    arch: source("gdb", "gdb"),
    mac_os: Some(source("gdb", "gdb")),
};

pub const MKRESCUE: Tool = Tool {
    debian: source("grub-mkrescue", "grub-common"),
    fedora: source("grub2-mkrescue", "grub2-tools-extra"),
    arch: source("grub-mkrescue", "grub"),
    mac_os: None,
};

const GRUB_BIOS: Tool = Tool {
    debian: source("/usr/lib/grub/i386-pc/moddep.lst", "grub-pc-bin"),
    fedora: source("/usr/lib/grub/i386-pc/moddep.lst", "grub2-pc-modules"),
    arch: source("/usr/lib/grub/i386-pc/moddep.lst", "grub"),
    mac_os: None,
};

const GRUB_UEFI: Tool = Tool {
    debian: source("/usr/lib/grub/x86_64-efi/moddep.lst", "grub-efi-amd64-bin"),
    fedora: source(
        "/usr/lib/grub/x86_64-efi/moddep.lst",
        "grub2-efi-x64-modules",
    ),
    arch: source("/usr/lib/grub/x86_64-efi/moddep.lst", "grub"),
    mac_os: None,
};

const XORRISO: Tool = Tool {
    debian: source("xorriso", "xorriso"),
    fedora: source("xorriso", "xorriso"),
    arch: source("xorriso", "libisoburn"),
    mac_os: Some(source("xorriso", "xorriso")),
};

const MTOOLS: Tool = Tool {
    debian: source("mformat", "mtools"),
    fedora: source("mformat", "mtools"),
    arch: source("mformat", "mtools"),
    mac_os: Some(source("mformat", "mtools")),
};

/// What makes ISO images that boot by BIOS and by UEFI.
pub const ISO: [Tool; 5] = [MKRESCUE, XORRISO, MTOOLS, GRUB_BIOS, GRUB_UEFI];

/// What gets packages of Debian. Its lists of sources must be Debian's, so it is of use there only.
pub const APT: Tool = only_debian("apt-get", "apt");
pub const DPKG_DEB: Tool = only_debian("dpkg-deb", "dpkg");
pub const SHA256: Tool = only_debian("sha256sum", "coreutils");

const fn only_debian(name: &'static str, package: &'static str) -> Tool {
    Tool {
        debian: source(name, package),
        fedora: source(name, package),
        arch: source(name, package),
        mac_os: None,
    }
}

/// UEFI firmware for the emulator, in one file.
pub const OVMF: Tool = Tool {
    debian: source("/usr/share/ovmf/OVMF.fd", "ovmf"),
    fedora: source("/usr/share/edk2/ovmf/OVMF_CODE.fd", "edk2-ovmf"),
    arch: source("/usr/share/edk2/x64/OVMF.4m.fd", "edk2-ovmf"),
    mac_os: None,
};
