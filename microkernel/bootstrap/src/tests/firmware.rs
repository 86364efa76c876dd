//! What firmware says, in each protocol.

use core::ops::Range;
use std::{vec, vec::Vec};

use l4_abi::boot::options::{Flags, UartAccess};
use l4_loader::fixture::words;
use proptest::prelude::*;
use vm_fdt::{FdtReserveEntry, FdtWriter};

use crate::{
    Error,
    firmware::{
        Platform, RootPointer,
        aarch64::device_tree,
        x86_64::{multiboot2, pvh},
    },
    memory_map::FirmwareUse,
};

/// Low memory, ACPI tables, reserved, high memory in two neighbouring parts.
const MAP: &[(u64, u64, u64)] = &[
    (0, 0x9_fc00, 1),
    (0x1_0000_0000, 0x1000, 3),
    (0x2_0000_0000, 0x1000, 17),
    (0x10_0000, 0x10_0000, 1),
    (0x20_0000, 0x10_0000, 1),
];

fn map(entry_size: usize) -> Vec<u8> {
    let entry = |&(start, size, kind): &(u64, u64, u64)| {
        let mut entry = words(&[start, size, kind]);
        entry.resize(entry_size, 0xff);
        entry
    };
    MAP.iter().flat_map(entry).collect()
}

fn expect_map(platform: &Platform) {
    let ram: Vec<Range<u64>> = platform.map.ram().collect();
    assert_eq!(ram, [0..0x9_fc00, 0x10_0000..0x30_0000]);
    let firmware: Vec<_> = platform.map.firmware().collect();
    let expected = [
        (0..0x1000, FirmwareUse::PageZero),
        (0x1_0000_0000..0x1_0000_1000, FirmwareUse::AcpiTables),
        (0x2_0000_0000..0x2_0000_1000, FirmwareUse::Reserved),
    ];
    assert_eq!(firmware, expected);
}

#[test]
fn pvh_gives_memory_and_the_root_pointer() {
    let mut info = words(&[0x1_336e_c578, 0, 0, 0, 0xf_5000, 0x7000, MAP.len() as u64]);
    let read = |info: &[u8]| {
        pvh::platform(info.first_chunk().unwrap(), |address, size| {
            assert_eq!(address, 0x7000);
            map(24)[..size].to_vec().leak()
        })
    };
    let platform = read(&info).unwrap();
    expect_map(&platform);
    assert_eq!(platform.root_pointer, RootPointer::At(0xf_5000));
    assert_eq!({ platform.console.unwrap().uart.base }, 0x3f8);
    info[48] = 0;
    assert_eq!(read(&info).unwrap_err(), Error::Firmware("memory map"));
    info[0] = 0;
    assert_eq!(read(&info).unwrap_err(), Error::Protocol);
}

fn tag(kind: u32, contents: &[u8]) -> Vec<u8> {
    let mut tag = kind.to_le_bytes().to_vec();
    tag.extend_from_slice(&(8 + contents.len() as u32).to_le_bytes());
    tag.extend_from_slice(contents);
    tag.resize(tag.len().next_multiple_of(8), 0);
    tag
}

fn information(tags: &[Vec<u8>]) -> Vec<u8> {
    let mut information = vec![0; 8];
    information.extend(tags.iter().flatten());
    information.extend(tag(0, b""));
    let size = information.len() as u32;
    information[..4].copy_from_slice(&size.to_le_bytes());
    information
}

fn map_tag(entry_size: usize) -> Vec<u8> {
    let mut contents = words(&[entry_size as u64]);
    contents.extend(map(entry_size));
    tag(6, &contents)
}

#[test]
fn multiboot2_gives_memory_and_a_copy_of_the_root_pointer() {
    let name = tag(2, b"a loader\0");
    for entry_size in [24, 32] {
        let platform =
            multiboot2::platform(&information(&[name.clone(), map_tag(entry_size)])).unwrap();
        expect_map(&platform);
        assert_eq!(platform.root_pointer, RootPointer::None);
    }
    let old = tag(14, &[1; 20]);
    let mut expected = [0; 36];
    expected[..20].fill(1);
    let platform = multiboot2::platform(&information(&[old.clone(), map_tag(24)])).unwrap();
    assert_eq!(platform.root_pointer, RootPointer::Copy(expected));
    let new = tag(15, &[2; 36]);
    let platform = multiboot2::platform(&information(&[old, map_tag(24), new])).unwrap();
    assert_eq!(
        platform.root_pointer,
        RootPointer::Copy([2; 36]),
        "the newer one counts"
    );
}

#[test]
fn multiboot2_without_a_memory_map_is_refused() {
    for tags in [
        vec![],
        vec![tag(2, b"a loader\0")],
        vec![map_tag(24)[..12].to_vec()],
    ] {
        let error = multiboot2::platform(&information(&tags)).unwrap_err();
        assert_eq!(error, Error::Firmware("memory map"));
    }
    assert!(multiboot2::platform(&[]).is_err());
}

proptest! {
    #[test]
    fn any_multiboot2_information_is_read_without_panic(
        damage in proptest::collection::vec((8usize..200, any::<u8>()), 0..8)
    ) {
        let mut information = information(&[tag(2, b"a loader\0"), map_tag(24), tag(15, &[2; 36])]);
        for (at, byte) in damage {
            information[at] = byte;
        }
        let _ = multiboot2::platform(&information);
    }
}

/// The tree of a machine with two banks of memory, of which it keeps some.
fn tree(console: &str, interrupt: &[u32]) -> Vec<u8> {
    let write = || {
        let kept = FdtReserveEntry::new(0x4800_0000, 0x1000)?;
        let mut tree = FdtWriter::new_with_mem_reserv(&[kept])?;
        let root = tree.begin_node("")?;
        tree.property_string("compatible", "linux,dummy-virt")?;
        tree.property_u32("#address-cells", 2)?;
        tree.property_u32("#size-cells", 2)?;
        let memory = tree.begin_node("memory@40000000")?;
        tree.property_string("device_type", "memory")?;
        tree.property_array_u64(
            "reg",
            &[0x4000_0000, 0x2000_0000, 0x1_0000_0000, 0x1000_0000],
        )?;
        tree.end_node(memory)?;
        let reserved = tree.begin_node("reserved-memory")?;
        tree.property_u32("#address-cells", 2)?;
        tree.property_u32("#size-cells", 2)?;
        tree.property_null("ranges")?;
        let firmware = tree.begin_node("firmware@50000000")?;
        tree.property_array_u64("reg", &[0x5000_0000, 0x10_0000])?;
        tree.end_node(firmware)?;
        tree.end_node(reserved)?;
        let serial = tree.begin_node("pl011@9000000")?;
        tree.property_string_list("compatible", vec![console.into(), "arm,primecell".into()])?;
        tree.property_array_u64("reg", &[0x0900_0000, 0x1000])?;
        tree.property_array_u32("interrupts", interrupt)?;
        tree.end_node(serial)?;
        let chosen = tree.begin_node("chosen")?;
        tree.property_string("stdout-path", "/pl011@9000000")?;
        tree.end_node(chosen)?;
        tree.end_node(root)?;
        tree.finish()
    };
    write().unwrap()
}

#[test]
fn a_device_tree_gives_memory_and_console() {
    let tree = tree("arm,pl011", &[0, 1, 4]);
    assert_eq!(
        device_tree::size(tree.first_chunk().unwrap()),
        Some(tree.len())
    );
    let platform = device_tree::platform(&tree, 0x4400_0000).unwrap();
    let range = 0x4400_0000..0x4400_0000 + tree.len() as u64;
    assert_eq!(platform.device_tree, Some(range.clone()));
    assert!(!platform.map.is_free(&range), "the tree itself survives");
    let ram: Vec<_> = platform.map.ram().collect();
    assert_eq!(
        ram,
        [0x4000_0000..0x6000_0000, 0x1_0000_0000..0x1_1000_0000]
    );
    let kept: Vec<_> = platform.map.firmware().collect();
    let expected = [
        (0x4800_0000..0x4800_1000, FirmwareUse::Reserved),
        (0x5000_0000..0x5010_0000, FirmwareUse::Reserved),
    ];
    assert_eq!(kept, expected);
    let console = platform.console.unwrap();
    assert_eq!(console.valid, Flags::UART_BASE | Flags::UART_IRQ);
    assert_eq!(
        ({ console.uart.base }, { console.uart.irq }),
        (0x0900_0000, 33)
    );
    assert_eq!(console.uart.access, UartAccess::Mmio as u8);
}

#[test]
fn a_console_that_is_no_pl011_is_none() {
    let platform = device_tree::platform(&tree("ns16550a", &[0, 1, 4]), 0x4400_0000).unwrap();
    assert_eq!(platform.console, None);
}

#[test]
fn a_console_without_a_shared_interrupt_has_none() {
    for interrupt in [&[1, 1, 4][..], &[0], &[0, 0xfff0, 4]] {
        let platform = device_tree::platform(&tree("arm,pl011", interrupt), 0x4400_0000).unwrap();
        assert_eq!(platform.console.unwrap().valid, Flags::UART_BASE);
    }
}

#[test]
fn other_bytes_are_no_device_tree() {
    assert_eq!(device_tree::size(&[0; 8]), None);
    assert!(device_tree::platform(&[0; 64], 0x4400_0000).is_err());
}
