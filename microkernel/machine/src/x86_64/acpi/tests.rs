//! Tables as firmware makes them, and as it should not.

use std::vec::Vec;

use super::super::window::set_memory;
use super::*;

const ROOT: usize = 0x100;
const LIST: usize = 0x200;
const CONTROLLERS: usize = 0x400;

/// Puts a table with `body` behind its header to `address`, with the right sum.
fn put(memory: &mut [u8], address: usize, signature: &[u8; 4], body: &[u8]) {
    let table = &mut memory[address..address + HEADER + body.len()];
    table[..4].copy_from_slice(signature);
    table[4..8].copy_from_slice(&((HEADER + body.len()) as u32).to_le_bytes());
    table[HEADER..].copy_from_slice(body);
    let sum = table
        .iter()
        .fold(0, |sum: u8, byte| sum.wrapping_add(*byte));
    table[9] = 0_u8.wrapping_sub(sum);
}

/// Memory with a root pointer and a list of one table.
fn memory_with_list() -> Vec<u8> {
    let mut memory = vec![0; 0x1000];
    let [list, table] = [LIST, CONTROLLERS].map(|address| (address as u32).to_le_bytes());
    memory[ROOT..ROOT + 8].copy_from_slice(ROOT_SIGNATURE);
    memory[ROOT + 16..ROOT + 20].copy_from_slice(&list);
    put(&mut memory, LIST, b"RSDT", &table);
    memory
}

/// Reads tables of which the MADT has these entries.
fn read_controllers(entries: &[u8]) -> Acpi {
    let mut memory = memory_with_list();
    let body = [&[0, 0, 0xe0, 0xfe, 0, 0, 0, 0], entries].concat();
    put(&mut memory, CONTROLLERS, b"APIC", &body);
    set_memory(memory);
    Acpi::read(ROOT as u64)
}

fn local_apic(id: u8, flags: u8) -> [u8; 8] {
    [0, 8, 0, id, flags, 0, 0, 0]
}

fn local_x2apic(id: u32, flags: u8) -> [u8; 16] {
    let [a, b, c, d] = id.to_le_bytes();
    [9, 16, 0, 0, a, b, c, d, flags, 0, 0, 0, 0, 0, 0, 0]
}

fn cpus(entries: &[u8]) -> Vec<u32> {
    let acpi = read_controllers(entries);
    acpi.cpus[..acpi.cpu_count].to_vec()
}

#[test]
fn a_cpu_that_is_listed_in_two_ways_is_one() {
    let entries = [
        &local_apic(0, 1)[..],
        &local_apic(2, 1),
        &local_apic(4, 0),
        &local_x2apic(0, 1),
        &local_x2apic(2, 1),
        &local_x2apic(0x100, 1),
    ];
    assert_eq!(cpus(&entries.concat()), [0, 2, 0x100]);
}

#[test]
fn entries_that_end_too_early_end_the_table() {
    for length in 0..8 {
        let entries = [&local_apic(7, 1)[..], &local_apic(8, 1)[..length]];
        assert_eq!(cpus(&entries.concat()), [7], "{length} bytes");
    }
    // One without a length is two bytes long.
    assert_eq!(cpus(&[&[5, 0][..], &local_apic(8, 1)].concat()), [8]);
}

/// Reads a MADT or FADT of which one byte is another one. The FADT's DSDT is
/// itself, with what is looked for in that.
fn read_changed(signature: &[u8; 4], (at, value): (usize, u8)) -> Acpi {
    let mut body = [
        &[0; 8][..],
        &local_apic(1, 1),
        b"_S5_\x12\x06\x02\x0a\x05\x0a\x06",
    ]
    .concat();
    body.resize(150 - HEADER, 0);
    body[4..8].copy_from_slice(&(CONTROLLERS as u32).to_le_bytes());
    let mut memory = memory_with_list();
    put(&mut memory, CONTROLLERS, signature, &body);
    let table = &mut memory[CONTROLLERS..];
    table[at] = value;
    let length = u32::from_le_bytes([table[4], table[5], table[6], table[7]]) as usize;
    let bytes = table.iter().take(length);
    let sum = bytes.fold(0, |sum: u8, byte| sum.wrapping_add(*byte));
    table[9] = table[9].wrapping_sub(sum);
    set_memory(memory);
    Acpi::read(ROOT as u64)
}

#[test]
fn tables_with_any_byte_changed_can_be_read() {
    assert_eq!(read_changed(b"APIC", (HEADER, 1)).cpu_count, 1);
    let sleep_types = read_changed(b"FACP", (HEADER, 1)).sleep_types;
    assert_eq!(sleep_types, Some([5, 6]));
    for at in 0..150 {
        for value in [0, 1, 2, 0x7f, 0x80, 0xfe, 0xff] {
            for signature in [b"APIC", b"FACP"] {
                let acpi = read_changed(signature, (at, value));
                assert!(acpi.cpu_count <= 1 && acpi.io_apic_count <= 1);
            }
        }
    }
}
