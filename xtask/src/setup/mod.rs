//! What this machine must have to build and boot systems, and getting what is missing.
//!
//! Every verb asks for what it needs just before it needs it, so nothing has to be set up by hand.
//! `packages` finds and installs tools, `rust` the standard library of the bare targets.

mod packages;
mod rust;

use crate::architecture::Architecture;
use crate::failure::Result;
pub use packages::OVMF;
use packages::{Tool, need};
pub use rust::Core;

/// The emulator of an architecture.
pub fn qemu(arch: Architecture) -> Result<()> {
    need(&[qemu_tool(arch)])
}

fn qemu_tool(arch: Architecture) -> Tool {
    match arch {
        Architecture::X86_64 => Tool::program("qemu-system-x86_64", &["qemu-system-x86"]),
        Architecture::Aarch64 => Tool::program("qemu-system-aarch64", &["qemu-system-arm"]),
    }
}

/// What makes ISO images that boot by BIOS and by UEFI.
pub fn iso_tools() -> Result<()> {
    need(&ISO_TOOLS)
}

const ISO_TOOLS: [Tool; 5] = [
    Tool::program("grub-mkrescue", &["grub-common"]),
    Tool::program("xorriso", &["xorriso"]),
    Tool::program("mformat", &["mtools"]),
    Tool::file("/usr/lib/grub/i386-pc/moddep.lst", &["grub-pc-bin"]),
    Tool::file(
        "/usr/lib/grub/x86_64-efi/moddep.lst",
        &["grub-efi-amd64-bin"],
    ),
];

/// UEFI firmware for the emulator.
pub fn ovmf() -> Result<()> {
    need(&[OVMF_TOOL])
}

const OVMF_TOOL: Tool = Tool::file(OVMF, &["ovmf"]);

/// The debugger for both architectures.
pub fn gdb() -> Result<()> {
    need(&[GDB])
}

const GDB: Tool = Tool::program("gdb-multiarch", &["gdb-multiarch"]);

/// Everything that any verb needs.
pub fn everything() -> Result<()> {
    let mut tools: Vec<Tool> = Architecture::ALL.map(qemu_tool).into();
    tools.extend(ISO_TOOLS);
    tools.extend([OVMF_TOOL, GDB]);
    need(&tools)?;
    Architecture::ALL
        .into_iter()
        .try_for_each(|arch| rust::Core::get(arch).map(drop))
}
