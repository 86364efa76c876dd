//! PCs: memory map and ACPI root pointer, in the two boot protocols that the images are started by.

pub mod multiboot2;
pub mod pvh;

use l4_abi::boot::options::{Flags, Uart, UartAccess};
use l4_loader::Machine;

use super::{Platform, RootPointer, RootPointerCopy};
use crate::{
    Error,
    kernel_options::Console,
    memory_map::{FirmwareUse, MemoryMap, PAGE_SIZE},
};

/// Bootstrap's page tables on a PC map this much (`abi/07` §1).
const PC_LIMIT: u64 = 4 << 30;

/// A PC with this memory and ACPI root pointer; its first serial port is where it always was.
fn pc(
    entries: impl Iterator<Item = MapEntry>,
    root_pointer: RootPointer,
) -> Result<Platform, Error> {
    let mut map = MemoryMap::new(PC_LIMIT);
    map.add_firmware(0..PAGE_SIZE, FirmwareUse::PageZero)?;
    for entry in entries {
        let range = entry.start..entry.start.saturating_add(entry.size);
        match entry.kind {
            1 => map.add_ram(range)?,
            3 => map.add_firmware(range, FirmwareUse::AcpiTables)?,
            4 => map.add_firmware(range, FirmwareUse::AcpiNvs)?,
            _ => map.add_firmware(range, FirmwareUse::Reserved)?,
        }
    }
    if map.ram().next().is_none() {
        return Err(Error::Firmware("memory map"));
    }
    let uart = Uart {
        base_baud: 115_200,
        baud: 115_200,
        irq: 4,
        register_shift: 0,
        access: UartAccess::IoPort as u8,
        base: 0x3f8,
        compatible: [0; 32],
    };
    let console = Console {
        uart,
        valid: Flags::UART_BASE | Flags::UART_BAUD | Flags::UART_IRQ,
    };
    Ok(Platform {
        name: "pc",
        machine: Machine::X86_64,
        map,
        root_pointer,
        device_tree: None,
        console: Some(console),
    })
}

/// An entry of the BIOS memory map ("E820"; ACPI 6.5 §15.1), which PVH and multiboot2 hand on in
/// the same form.
struct MapEntry {
    start: u64,
    size: u64,
    kind: u32,
}

impl MapEntry {
    /// Size of the fields; in a table, entries may be longer.
    const SIZE: usize = 24;

    fn read(bytes: &[u8]) -> Option<Self> {
        Some(MapEntry {
            start: read_u64(bytes, 0)?,
            size: read_u64(bytes, 8)?,
            kind: read_u32(bytes, 16)?,
        })
    }
}

fn read_u32(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(offset..)?.first_chunk()?))
}

fn read_u64(bytes: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(offset..)?.first_chunk()?))
}
