//! What firmware tells of the machine, in the boot protocols that the project's images are started
//! by.

// A machine needs its own alone; tests have both.
#[cfg(any(not(target_os = "none"), target_arch = "aarch64"))]
pub mod aarch64;
#[cfg(any(not(target_os = "none"), target_arch = "x86_64"))]
pub mod x86_64;

use core::ops::Range;

use l4_loader::Machine;

use crate::{kernel_options::Console, memory_map::MemoryMap};

/// The ACPI root pointer, as long as its second version is.
pub type RootPointerCopy = [u8; 36];

/// Where the ACPI tables start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootPointer {
    /// Firmware does not say.
    None,
    /// At this physical address.
    At(u64),
    /// Firmware gave a copy that will not stay where it is.
    Copy(RootPointerCopy),
}

/// A machine as firmware describes it.
#[derive(Clone, Debug)]
pub struct Platform {
    /// Short name for users.
    pub name: &'static str,
    /// The processor.
    pub machine: Machine,
    /// Memory.
    pub map: MemoryMap,
    /// ACPI.
    pub root_pointer: RootPointer,
    /// Where the device tree lies.
    pub device_tree: Option<Range<u64>>,
    /// The serial console.
    pub console: Option<Console>,
}
