//! The device tree that tells Linux what the machine has (Devicetree Specification 0.4, chapter 5).
//!
//! The writer is here, not a crate's: it is fewer lines than the hash tables that those bring along.

use alloc::format;
use alloc::vec::Vec;

use super::devices::gic::{self, Version};
use super::devices::pl011;
use super::gic_version;
use super::platform::{DISTRIBUTOR, SERIAL, SERIAL_LINE, VIRTIO_SIZE, virtio_device, virtio_line};

const MAGIC: u32 = 0xd00d_feed;
const VERSION: u32 = 17;
const COMPATIBLE_VERSION: u32 = 16;
const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROPERTY: u32 = 3;
const END: u32 = 9;
/// Bytes before the structure: the header, and an empty list of reserved memory.
const HEADER: usize = 40;
const RESERVATIONS: usize = 16;

/// Names of nodes to refer to.
const GIC: u32 = 1;
const CLOCK: u32 = 2;

/// First cells of an interrupt: shared or the CPU's own; and last ones.
const SHARED: u32 = 0;
const OWN: u32 = 1;
const LEVEL_HIGH: u32 = 4;

/// What is not the same in every machine.
#[derive(Clone, Copy, Debug)]
pub struct Machine<'a> {
    /// Bytes of memory, from address 0 on.
    pub memory: u64,
    /// Where the RAM disk is, and its bytes.
    pub ram_disk: Option<(u64, u64)>,
    /// The kernel's command line.
    pub command_line: &'a str,
    /// The interrupt controller.
    pub gic: Version,
    /// How many CPUs there are.
    pub cpus: u8,
    /// How many virtio devices there are.
    pub devices: usize,
}

/// The tree.
pub fn write(machine: &Machine<'_>) -> Vec<u8> {
    let mut tree = Writer::default();
    tree.begin("");
    tree.cells("#address-cells", &[2]);
    tree.cells("#size-cells", &[2]);
    tree.cells("interrupt-parent", &[GIC]);
    tree.text("compatible", "linux,dummy-virt");

    tree.begin("chosen");
    tree.text("bootargs", machine.command_line);
    tree.text("stdout-path", "/serial");
    if let Some((start, size)) = machine.ram_disk {
        tree.words("linux,initrd-start", &[start]);
        tree.words("linux,initrd-end", &[start + size]);
    }
    tree.end();

    tree.begin("memory@0");
    tree.text("device_type", "memory");
    tree.words("reg", &[0, machine.memory]);
    tree.end();

    tree.begin("cpus");
    tree.cells("#address-cells", &[1]);
    tree.cells("#size-cells", &[0]);
    for number in 0..machine.cpus {
        tree.begin(&format!("cpu@{number:x}"));
        tree.text("device_type", "cpu");
        tree.text("compatible", "arm,armv8");
        tree.text("enable-method", "psci");
        tree.cells("reg", &[number.into()]);
        tree.end();
    }
    tree.end();

    tree.begin("psci");
    tree.text("compatible", "arm,psci-1.0\0arm,psci-0.2");
    tree.text("method", "hvc");
    tree.end();

    tree.begin("timer");
    tree.text("compatible", "arm,armv8-timer");
    tree.property("always-on", &[]);
    // Secure, physical, virtual, of a hypervisor.
    let timers = [13, 14, 11, 10].map(|number| [OWN, number, LEVEL_HIGH]);
    tree.cells("interrupts", timers.as_flattened());
    tree.end();

    tree.begin("interrupt-controller");
    let (kind, interfaces, size) = gic_version::interfaces(machine.gic, machine.cpus);
    tree.text("compatible", kind);
    tree.property("interrupt-controller", &[]);
    tree.cells("#interrupt-cells", &[3]);
    tree.cells("#address-cells", &[2]);
    tree.cells("#size-cells", &[2]);
    let frames = [DISTRIBUTOR, gic::DISTRIBUTOR_SIZE, interfaces, size];
    tree.words("reg", &frames);
    tree.cells("phandle", &[GIC]);
    tree.end();

    tree.begin("clock");
    tree.text("compatible", "fixed-clock");
    tree.cells("#clock-cells", &[0]);
    tree.cells("clock-frequency", &[24_000_000]);
    tree.cells("phandle", &[CLOCK]);
    tree.end();

    tree.begin("serial");
    tree.text("compatible", "arm,pl011\0arm,primecell");
    tree.words("reg", &[SERIAL, pl011::SIZE]);
    tree.interrupt(SERIAL_LINE);
    tree.cells("clocks", &[CLOCK, CLOCK]);
    tree.text("clock-names", "uartclk\0apb_pclk");
    tree.end();

    for number in 0..machine.devices {
        tree.begin(&format!("virtio@{:x}", virtio_device(number)));
        tree.text("compatible", "virtio,mmio");
        tree.words("reg", &[virtio_device(number), VIRTIO_SIZE]);
        tree.interrupt(virtio_line(number));
        tree.property("dma-coherent", &[]);
        tree.end();
    }
    tree.end();
    tree.finish()
}

#[derive(Default)]
struct Writer {
    structure: Vec<u8>,
    names: Vec<u8>,
}

impl Writer {
    fn begin(&mut self, name: &str) {
        self.cell(BEGIN_NODE);
        self.structure.extend(name.bytes());
        self.structure.push(0);
        self.align();
    }

    fn end(&mut self) {
        self.cell(END_NODE);
    }

    fn property(&mut self, name: &str, value: &[u8]) {
        self.cell(PROPERTY);
        self.cell(value.len() as u32);
        self.cell(self.names.len() as u32);
        self.names.extend(name.bytes());
        self.names.push(0);
        self.structure.extend(value);
        self.align();
    }

    /// A text, or several with zeros between them.
    fn text(&mut self, name: &str, value: &str) {
        let bytes: Vec<u8> = value.bytes().chain([0]).collect();
        self.property(name, &bytes);
    }

    fn cells(&mut self, name: &str, cells: &[u32]) {
        let bytes: Vec<u8> = cells.iter().flat_map(|cell| cell.to_be_bytes()).collect();
        self.property(name, &bytes);
    }

    fn words(&mut self, name: &str, words: &[u64]) {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        self.property(name, &bytes);
    }

    fn interrupt(&mut self, line: u32) {
        self.cells(
            "interrupts",
            &[SHARED, line - gic::FIRST_SHARED, LEVEL_HIGH],
        );
    }

    fn cell(&mut self, value: u32) {
        self.structure.extend(value.to_be_bytes());
    }

    fn align(&mut self) {
        let size = self.structure.len().next_multiple_of(4);
        self.structure.resize(size, 0);
    }

    fn finish(mut self) -> Vec<u8> {
        self.cell(END);
        let structure = HEADER + RESERVATIONS;
        let names = structure + self.structure.len();
        let size = names + self.names.len();
        let header = [
            MAGIC,
            size as u32,
            structure as u32,
            names as u32,
            HEADER as u32,
            VERSION,
            COMPATIBLE_VERSION,
            0,
            self.names.len() as u32,
            self.structure.len() as u32,
        ];
        let mut blob: Vec<u8> = header
            .iter()
            .flat_map(|field| field.to_be_bytes())
            .collect();
        blob.extend([0; RESERVATIONS]);
        blob.append(&mut self.structure);
        blob.append(&mut self.names);
        blob
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fdt::Fdt;

    #[test]
    fn a_reader_finds_what_is_there() {
        let blob = write(&Machine {
            memory: 0x800_0000,
            ram_disk: Some((0x400_0000, 1234)),
            command_line: "console=ttyAMA0 quiet",
            gic: Version::V3,
            cpus: 3,
            devices: 2,
        });
        let tree = Fdt::new(&blob).unwrap();
        assert_eq!(tree.total_size(), blob.len());
        assert_eq!(tree.chosen().bootargs(), Some("console=ttyAMA0 quiet"));
        let region = tree.memory().regions().next().unwrap();
        assert_eq!(
            (region.starting_address as usize, region.size),
            (0, Some(0x800_0000))
        );
        assert_eq!(tree.cpus().count(), 3);
        let serial = tree.find_compatible(&["arm,pl011"]).unwrap();
        let registers = serial.reg().unwrap().next().unwrap();
        assert_eq!(registers.starting_address as u64, SERIAL);
        let devices = tree
            .all_nodes()
            .filter(|node| node.name.starts_with("virtio@"));
        assert_eq!(devices.count(), 2);
        let end = tree
            .find_node("/chosen")
            .unwrap()
            .property("linux,initrd-end")
            .unwrap();
        assert_eq!(end.as_usize(), Some(0x400_0000 + 1234));
    }
}
