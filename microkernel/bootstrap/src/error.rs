//! Why a system does not start. The text is what the user gets to see.

use core::fmt;

use boot_image::Kind;

/// Why a system does not start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The machine was not started by a protocol that bootstrap knows.
    Protocol,
    /// Firmware gives no usable memory map or device tree.
    Firmware(&'static str),
    /// The processor is in a mode from which the kernel cannot start.
    Mode(&'static str),
    /// The module archive.
    Archive(boot_image::Error),
    /// The boot image lacks a module of this kind.
    MissingModule(Kind),
    /// A program among the modules is damaged.
    Program(Kind, l4_loader::Error),
    /// A program is for another processor.
    Machine(Kind),
    /// A program wants this address, which is no RAM or taken.
    AddressTaken(Kind, u64),
    /// No free memory of this many bytes.
    OutOfMemory(u64),
    /// More of these than bootstrap has room for.
    TooMany(&'static str),
    /// The kernel is not one of this ABI; the text says what is wrong.
    Kernel(&'static str),
    /// The kernel's options block has this version.
    OptionsVersion(u32),
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Protocol => write!(
                out,
                "unknown boot protocol (expected PVH, multiboot2 or Linux Image)"
            ),
            Error::Firmware(what) => write!(out, "firmware gives no {what}"),
            Error::Mode(what) => write!(out, "{what}"),
            Error::Archive(error) => write!(out, "{error}"),
            Error::MissingModule(kind) => {
                write!(out, "no {} module in the boot image", name(*kind))
            }
            Error::Program(kind, error) => write!(out, "{} module: {error}", name(*kind)),
            Error::Machine(kind) => write!(out, "{} module is for another processor", name(*kind)),
            Error::AddressTaken(kind, address) => {
                write!(
                    out,
                    "{} module needs memory at {address:#x}, which is not free",
                    name(*kind)
                )
            }
            Error::OutOfMemory(size) => write!(
                out,
                "not enough memory: no {} KiB are free",
                size.div_ceil(1024)
            ),
            Error::TooMany(what) => write!(out, "too many {what}"),
            Error::Kernel(what) => write!(out, "kernel module: {what}"),
            Error::OptionsVersion(version) => {
                write!(
                    out,
                    "kernel module: options block has version {version}, expected 5 or 6"
                )
            }
        }
    }
}

impl core::error::Error for Error {}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Kernel => "kernel",
        Kind::Sigma0 => "sigma0",
        Kind::RootTask => "root task",
        Kind::Ordinary => "other",
    }
}
