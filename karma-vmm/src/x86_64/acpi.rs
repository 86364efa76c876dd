//! The ACPI tables of a PC with several CPUs (ACPI 6.4, chapter 5): processors, the PCI bus, how to switch off.
//!
//! There is no I/O APIC, no HPET and no table of memory-mapped configuration, so nobody looks for them.

use super::platform::{CONTROL_PORT, EVENT_PORT, OFF, RESET_PORT, RESET_VALUE};
use alloc::vec::Vec;
use l4_memory::{Access, Memory};

/// Where the tables are; the pointer to them comes first.
pub const ADDRESS: u64 = 0xe_0000;

const OEM: [u8; 6] = *b"BRIO  ";
const OEM_TABLE: [u8; 8] = *b"KARMAVMM";
/// System control interrupt, which never comes.
const SCI: u16 = 9;
/// I/O ports of PCI devices.
const PCI_PORTS: core::ops::RangeInclusive<u16> = 0xd00..=0xffff;

/// Writes the tables for so many CPUs.
pub fn write(memory: &impl Memory, cpus: u8) -> Access {
    let mut at = ADDRESS + 64;
    let mut place = |table: Vec<u8>| {
        let address = at;
        at += (table.len() as u64).next_multiple_of(16);
        memory.write(address, &table).map(|()| address)
    };
    let dsdt = place(table(*b"DSDT", 2, definition_block()))?;
    let fadt = place(table(*b"FACP", 5, fixed_description(dsdt)))?;
    let madt = place(table(*b"APIC", 3, interrupt_controllers(cpus)))?;
    let list = [fadt, madt].map(u64::to_le_bytes).concat();
    let xsdt = place(table(*b"XSDT", 1, list))?;
    memory.write(ADDRESS, &root_pointer(xsdt))
}

/// The pointer that systems look for (5.2.5.3).
fn root_pointer(xsdt: u64) -> [u8; 36] {
    let mut pointer = [0; 36];
    pointer[..8].copy_from_slice(b"RSD PTR ");
    pointer[9..15].copy_from_slice(&OEM);
    // Revision and length.
    (pointer[15], pointer[20]) = (2, 36);
    pointer[24..32].copy_from_slice(&xsdt.to_le_bytes());
    pointer[8] = checksum(&pointer[..20]);
    pointer[32] = checksum(&pointer);
    pointer
}

/// A table with its header (5.2.6).
fn table(signature: [u8; 4], revision: u8, body: Vec<u8>) -> Vec<u8> {
    let mut table = Vec::with_capacity(36 + body.len());
    table.extend_from_slice(&signature);
    table.extend_from_slice(&(36 + body.len() as u32).to_le_bytes());
    table.extend_from_slice(&[revision, 0]);
    table.extend_from_slice(&OEM);
    table.extend_from_slice(&OEM_TABLE);
    table.extend_from_slice(&1u32.to_le_bytes());
    table.extend_from_slice(b"BRIO");
    table.extend_from_slice(&1u32.to_le_bytes());
    table.extend_from_slice(&body);
    table[9] = checksum(&table);
    table
}

/// What makes the sum of all bytes 0.
fn checksum(bytes: &[u8]) -> u8 {
    bytes
        .iter()
        .fold(0, |sum: u8, byte| sum.wrapping_sub(*byte))
}

/// The FADT, behind its header (5.2.9); offsets are those in the whole table.
fn fixed_description(dsdt: u64) -> Vec<u8> {
    const BYTES: usize = 268;
    let mut fadt = [0; BYTES];
    let mut put = |offset: usize, bytes: &[u8]| {
        fadt[offset..offset + bytes.len()].copy_from_slice(bytes);
    };
    put(40, &(dsdt as u32).to_le_bytes());
    put(46, &SCI.to_le_bytes());
    put(56, &u32::from(EVENT_PORT).to_le_bytes());
    put(64, &u32::from(CONTROL_PORT).to_le_bytes());
    put(88, &[4, 2]);
    // There are devices of the ISA bus, but no VGA and no CMOS clock.
    put(109, &0b10_0101u16.to_le_bytes());
    // WBINVD works, there are no fixed buttons, and there is a reset register.
    put(112, &0x0431u32.to_le_bytes());
    // An I/O port of one byte.
    put(116, &[1, 8, 0, 1]);
    put(120, &u64::from(RESET_PORT).to_le_bytes());
    put(128, &[RESET_VALUE]);
    put(140, &dsdt.to_le_bytes());
    fadt[36..].to_vec()
}

/// The MADT, behind its header (5.2.12).
fn interrupt_controllers(cpus: u8) -> Vec<u8> {
    let mut madt = Vec::new();
    madt.extend_from_slice(&0xfee0_0000u32.to_le_bytes());
    // There are 8259s too.
    madt.extend_from_slice(&1u32.to_le_bytes());
    for cpu in 0..cpus {
        madt.extend_from_slice(&[0, 8, cpu, cpu, 1, 0, 0, 0]);
    }
    // The NMI is at the second local input of all.
    madt.extend_from_slice(&[4, 6, 0xff, 0, 0, 1]);
    madt
}

/// The DSDT's code in AML (chapter 20): the sleep state "off", and a PCI bus with its resources.
fn definition_block() -> Vec<u8> {
    const NAME: u8 = 0x08;
    const BYTE: u8 = 0x0a;
    let mut block = Vec::new();
    block.extend_from_slice(&[NAME]);
    block.extend_from_slice(b"_S5_");
    block.extend(package(&[0x12], &[4, BYTE, OFF, BYTE, OFF, 0, 0]));

    let mut resources = Vec::new();
    resources.extend(word_resource(2, 0, 0, 0));
    // The configuration ports.
    resources.extend_from_slice(&[0x47, 1, 0xf8, 0x0c, 0xf8, 0x0c, 1, 8]);
    resources.extend(word_resource(1, 3, *PCI_PORTS.start(), *PCI_PORTS.end()));
    resources.extend_from_slice(&[0x79, 0]);
    let mut buffer = alloc::vec![BYTE, resources.len() as u8];
    buffer.extend(resources);

    let mut bus = b"PCI0".to_vec();
    bus.extend_from_slice(&[NAME]);
    // PNP0A03, compressed.
    bus.extend_from_slice(b"_HID\x0c\x41\xd0\x0a\x03");
    bus.extend_from_slice(&[NAME]);
    bus.extend_from_slice(b"_CRS");
    bus.extend(package(&[0x11], &buffer));
    let mut scope = b"\\_SB_".to_vec();
    scope.extend(package(&[0x5b, 0x82], &bus));
    block.extend(package(&[0x10], &scope));
    block
}

/// An operation with a body, whose length stands between them and counts itself (20.2.4).
fn package(operation: &[u8], body: &[u8]) -> Vec<u8> {
    let mut package = operation.to_vec();
    match body.len() + 1 {
        length @ ..64 => package.push(length as u8),
        length => {
            let length = length + 1;
            package.extend_from_slice(&[0x40 | (length & 15) as u8, (length >> 4) as u8]);
        }
    }
    package.extend_from_slice(body);
    package
}

/// A range of bus numbers (2) or I/O ports (1) that goes to the bus (6.4.3.5.3).
fn word_resource(kind: u8, flags: u8, first: u16, last: u16) -> Vec<u8> {
    let mut resource = alloc::vec![0x88, 13, 0, kind, 0x0c, flags];
    for word in [0, first, last, 0, last - first + 1] {
        resource.extend_from_slice(&word.to_le_bytes());
    }
    resource
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use alloc::vec;
    use l4_virtio::fixture::Ram;

    fn read(memory: &Ram, address: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        memory.read(address, &mut bytes).unwrap();
        bytes
    }

    fn number(bytes: &[u8]) -> u64 {
        bytes
            .iter()
            .rev()
            .fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    fn table_at(memory: &Ram, address: u64) -> Vec<u8> {
        let length = number(&read(memory, address + 4, 4));
        read(memory, address, length as usize)
    }

    /// All tables by their signatures, as a system finds them.
    fn tables(cpus: u8) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let memory = Ram::new(1 << 20);
        write(&memory, cpus).unwrap();
        let pointer = read(&memory, ADDRESS, 36);
        assert_eq!(&pointer[..8], b"RSD PTR ");
        assert_eq!((checksum(&pointer[..20]), checksum(&pointer)), (0, 0));
        let xsdt = table_at(&memory, number(&pointer[24..32]));
        let listed = xsdt[36..]
            .chunks(8)
            .map(|entry| table_at(&memory, number(entry)));
        let mut tables: Vec<_> = listed.collect();
        let dsdt = number(&tables[0][140..148]);
        assert_eq!(number(&tables[0][40..44]), dsdt);
        tables.push(table_at(&memory, dsdt));
        tables.push(xsdt);
        tables
            .iter()
            .for_each(|table| assert_eq!(checksum(table), 0));
        tables
            .into_iter()
            .map(|table| (table[..4].to_vec(), table))
            .collect()
    }

    #[test]
    fn every_table_is_found_and_sums_up_to_zero() {
        let tables = tables(2);
        let names: Vec<_> = tables.keys().map(|name| name.as_slice()).collect();
        assert_eq!(names, [&b"APIC"[..], b"DSDT", b"FACP", b"XSDT"]);
        assert_eq!(tables[&b"FACP"[..]].len(), 268);
    }

    #[test]
    fn every_cpu_has_an_entry() {
        let madt = tables(3).remove(&b"APIC"[..]).unwrap();
        let mut entries = &madt[44..];
        let mut cpus = vec![];
        while let [kind, length, ..] = *entries {
            if kind == 0 {
                assert_eq!(entries[4], 1, "enabled");
                cpus.push(entries[3]);
            }
            entries = &entries[usize::from(length)..];
        }
        assert_eq!(cpus, [0, 1, 2]);
    }

    #[test]
    fn lengths_in_the_code_are_those_of_their_packages() {
        let dsdt = tables(1).remove(&b"DSDT"[..]).unwrap();
        let code = &dsdt[36..];
        // The name of the sleep state with its package, then the scope, which goes to the end.
        assert_eq!(code[6], 8);
        let scope = &code[14..];
        assert_eq!(scope[0], 0x10);
        let length = usize::from(scope[1] & 15) + (usize::from(scope[2]) << 4);
        assert_eq!(scope.len(), 1 + length);
    }
}
