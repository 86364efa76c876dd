//! A flattened device tree (Devicetree Specification 0.4).

use core::ops::Range;

use fdt::{Fdt, node::FdtNode};
use l4_abi::boot::options::{Flags, NO_IRQ, Uart, UartAccess};
use l4_loader::Machine;

use crate::{
    Error,
    firmware::{Platform, RootPointer},
    kernel_options::Console,
    memory_map::{FirmwareUse, MemoryMap},
};

/// Enough of a tree's start to tell its size.
pub const HEADER_SIZE: usize = 8;

/// Interrupt numbers of the GIC start here for shared peripherals, the first cell of an interrupt
/// being 0.
const SHARED_INTERRUPTS: u16 = 32;

/// Size in bytes of the tree that starts so, or nothing if none does.
pub fn size(header: &[u8; HEADER_SIZE]) -> Option<usize> {
    let (magic, size) = header.split_at(4);
    (magic == [0xd0, 0x0d, 0xfe, 0xed]).then(|| {
        size.iter()
            .fold(0, |size, &byte| size << 8 | usize::from(byte))
    })
}

/// Reads the tree, which lies at `address`. It is firmware's, and trusted to be well formed.
pub fn platform(tree: &[u8], address: u64) -> Result<Platform, Error> {
    let range = address..address + tree.len() as u64;
    let tree = Fdt::new(tree).map_err(|_| Error::Firmware("device tree"))?;
    let mut map = MemoryMap::new(u64::MAX);
    for node in tree
        .all_nodes()
        .filter(|node| has_device_type(node, "memory"))
    {
        for range in registers(&node) {
            map.add_ram(range)?;
        }
    }
    if map.ram().next().is_none() {
        return Err(Error::Firmware("memory in the device tree"));
    }
    for reserved in tree.memory_reservations() {
        let start = reserved.address() as u64;
        map.add_firmware(start..start + reserved.size() as u64, FirmwareUse::Reserved)?;
    }
    for node in tree
        .find_node("/reserved-memory")
        .into_iter()
        .flat_map(|node| node.children())
    {
        for range in registers(&node) {
            map.add_firmware(range, FirmwareUse::Reserved)?;
        }
    }
    map.occupy(range.clone())?;
    let name = if has_compatible(&tree, "linux,dummy-virt") {
        "arm_virt"
    } else {
        "arm"
    };
    let console = console(&tree);
    Ok(Platform {
        name,
        machine: Machine::Aarch64,
        map,
        root_pointer: RootPointer::None,
        device_tree: Some(range),
        console,
    })
}

/// The device that the tree names as standard output, if it is a PL011.
fn console(tree: &Fdt<'_>) -> Option<Console> {
    const COMPATIBLE: &str = "arm,pl011";
    let node = tree.chosen().stdout()?;
    node.compatible()
        .filter(|names| names.all().any(|name| name == COMPATIBLE))?;
    let base = registers(&node).next()?.start;
    let mut compatible = [0; 32];
    compatible[..COMPATIBLE.len()].copy_from_slice(COMPATIBLE.as_bytes());
    let interrupt = interrupt(&node);
    let uart = Uart {
        base_baud: 0,
        baud: 0,
        irq: interrupt.unwrap_or(NO_IRQ),
        register_shift: 0,
        access: UartAccess::Mmio as u8,
        base,
        compatible,
    };
    let valid = if interrupt.is_some() {
        Flags::UART_BASE | Flags::UART_IRQ
    } else {
        Flags::UART_BASE
    };
    Some(Console { uart, valid })
}

/// Number of a shared peripheral interrupt at the GIC.
fn interrupt(node: &FdtNode<'_, '_>) -> Option<u16> {
    let cells = node.property("interrupts")?.value;
    let cell = |index: usize| Some(u32::from_be_bytes(*cells.get(4 * index..)?.first_chunk()?));
    let number = u16::try_from(cell(1)?).ok()?;
    (cell(0)? == 0).then(|| number.checked_add(SHARED_INTERRUPTS))?
}

fn registers(node: &FdtNode<'_, '_>) -> impl Iterator<Item = Range<u64>> {
    node.reg().into_iter().flatten().map(|region| {
        let start = region.starting_address as u64;
        start..start.saturating_add(region.size.unwrap_or(0) as u64)
    })
}

fn has_device_type(node: &FdtNode<'_, '_>, name: &str) -> bool {
    node.property("device_type")
        .and_then(|property| property.as_str())
        == Some(name)
}

fn has_compatible(tree: &Fdt<'_>, name: &str) -> bool {
    tree.root()
        .compatible()
        .all()
        .any(|compatible| compatible == name)
}
