//! What this machine must have to build and boot systems, and getting what is missing.
//!
//! Every verb asks for what it needs just before it needs it, so nothing has to be set up by hand.
//! `host` knows the machine, `tools` the tools of each system, `packages` installs them, `rust` gets the
//! standard library of the bare targets; `kvm` finds out whether the host's processor can be used.

mod host;
mod kvm;
mod packages;
mod rust;
#[cfg(test)]
mod tests;
mod tools;

use crate::architecture::Architecture;
use crate::failure::Result;
use host::Host;
use packages::need;
pub use rust::Core;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tools::{
    APT, BOCHS, CXX, DPKG_DEB, GDB, ISO, MKRESCUE, OVMF, QEMU_AARCH64, QEMU_X86_64, SHA256, Tool,
};

/// Held while something is looked for and got: systems that boot side by side miss the same things at
/// the same time.
static SETTING_UP: Mutex<()> = Mutex::new(());

fn one_at_a_time() -> MutexGuard<'static, ()> {
    SETTING_UP.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The emulator of an architecture.
pub fn qemu(arch: Architecture) -> Result<()> {
    need(&Host::detect(), &[qemu_tool(arch)])
}

fn qemu_tool(arch: Architecture) -> Tool {
    match arch {
        Architecture::X86_64 => QEMU_X86_64,
        Architecture::Aarch64 => QEMU_AARCH64,
    }
}

/// What makes ISO images that boot by BIOS and by UEFI; the program that does it.
pub fn iso_tools() -> Result<&'static str> {
    let host = Host::detect();
    need(&host, &ISO)?;
    Ok(MKRESCUE.name(host.system))
}

/// UEFI firmware for the emulator.
pub fn ovmf() -> Result<()> {
    need(&Host::detect(), &[OVMF])
}

/// The file in which it is, if it is there.
pub fn ovmf_file() -> &'static str {
    OVMF.name(Host::detect().system)
}

/// The emulator of Intel's processors.
pub fn bochs() -> Result<()> {
    need(&Host::detect(), &BOCHS)
}

/// The files of its firmware, if they are there.
pub fn bochs_firmware() -> [&'static str; 2] {
    let system = Host::detect().system;
    let [_, firmware @ ..] = BOCHS;
    firmware.map(|tool| tool.name(system))
}

/// The debugger for both architectures: the program.
pub fn gdb() -> Result<&'static str> {
    let host = Host::detect();
    need(&host, &[GDB])?;
    Ok(GDB.name(host.system))
}

/// The compiler that the fuzzer needs.
pub fn cxx() -> Result<()> {
    need(&Host::detect(), &[CXX])
}

/// What gets Debian's packages for guests.
pub fn debian_packages() -> Result<()> {
    need(&Host::detect(), &[APT, DPKG_DEB, SHA256])
}

/// Fails with the reason if a system cannot run on this machine's own processor.
pub fn kvm(arch: Architecture) -> Result<()> {
    let own = Architecture::from_name(std::env::consts::ARCH).ok();
    kvm::check(&Host::detect(), own, arch)
}

/// Everything that any verb needs.
pub fn everything() -> Result<()> {
    let mut tools: Vec<Tool> = Architecture::ALL.map(qemu_tool).into();
    tools.extend(ISO);
    tools.extend(BOCHS);
    tools.extend([OVMF, GDB, CXX]);
    need(&Host::detect(), &tools)?;
    Architecture::ALL
        .into_iter()
        .try_for_each(|arch| Core::get(arch).map(drop))
}
