//! The machine as its device tree describes it.

use fdt::Fdt;
use fdt::node::FdtNode;
use l4_abi::arch::aarch64::KipHeader;
use l4_abi::boot::options::{Flags, UartAccess};

use super::boot::Boot;
use super::console::Console;
use super::irqchip::{self, GicV3, IrqChip};
use super::kernel_space::Access;
use super::mmio::Registers;
use super::panic;
use super::timer::Timer;

/// Where the KIP has the tree's physical address.
const DEVICE_TREE_OFFSET: usize = core::mem::offset_of!(KipHeader, device_tree);

/// CPUs, at most.
pub const MAX_CPUS: usize = 64;

/// Register ranges, at most: two UARTs (as the loader and as the tree tell),
/// and three of the interrupt controller.
const MAX_DEVICES: usize = 5;
/// Largest device tree that the boot protocol of Linux allows.
const MAX_TREE: u64 = 2 << 20;
/// The header's magic number and size, both big endian.
const TREE_MAGIC: u32 = 0xd00d_feed;
/// Bytes of registers of a UART.
const UART_SIZE: u64 = 4096;
const UART: &str = "arm,pl011";
/// Part of what loaders call it.
const UART_NAME: &[u8] = b"pl011";
/// The affinity fields of a hardware id (MPIDR).
const AFFINITY: u64 = 0xff_00ff_ffff;

/// The devices that the kernel drives.
pub struct Platform {
    /// The interrupt chip.
    pub chip: IrqChip,
    /// The clock.
    pub timer: Timer,
    /// The console.
    pub console: Console,
    cpus: [u64; MAX_CPUS],
    cpu_count: usize,
    devices: Devices,
}

/// Register ranges of devices: first and last address.
#[derive(Clone, Copy)]
pub(super) struct Devices {
    ranges: [(u64, u64); MAX_DEVICES],
    count: usize,
}

impl Devices {
    pub(super) const NONE: Devices = Devices {
        ranges: [(0, 0); MAX_DEVICES],
        count: 0,
    };

    /// Adds a range; the UART is told of twice.
    fn add(&mut self, range: (u64, u64)) {
        if !self.ranges.contains(&range) {
            self.ranges[self.count] = range;
            self.count += 1;
        }
    }
}

impl Platform {
    /// The devices' registers, which user mode must not have: first and last
    /// address of each range.
    pub fn devices(&self) -> &[(u64, u64)] {
        &self.devices.ranges[..self.devices.count]
    }

    /// Sets up what each CPU has of the devices: its part of the interrupt
    /// chip. Its timer needs nothing.
    pub fn initialise_cpu(&self) {
        self.chip.initialise_cpu();
    }

    /// The hardware ids of the CPUs, the boot CPU's first.
    pub fn cpus(&self) -> &[u64] {
        &self.cpus[..self.cpu_count]
    }

    /// Turns the machine off.
    pub fn shutdown(&self) -> ! {
        panic::power_off()
    }

    /// Resets the machine.
    pub fn reset(&self) -> ! {
        panic::reset()
    }

    pub(super) fn new(boot: &mut Boot) -> Self {
        let address = boot.kip().word(DEVICE_TREE_OFFSET);
        assert!(address != 0, "the loader passed no device tree");
        // Its size first.
        boot.space.map(address, 8, Access::Constants);
        let [magic, size] = [0, 4].map(|offset| {
            // SAFETY: mapped, and constant.
            u32::from_be(unsafe { ((address + offset) as *const u32).read_unaligned() })
        });
        assert!(magic == TREE_MAGIC, "no device tree at {address:#x}");
        let size = u64::from(size);
        assert!(
            size <= MAX_TREE,
            "the device tree is too large: {size} bytes"
        );
        boot.space.unmap(address, 8);
        boot.space.map(address, size, Access::Constants);
        // SAFETY: mapped until the tree is dropped, and constant: the boot
        // protocol keeps it.
        let bytes = unsafe { core::slice::from_raw_parts(address as *const u8, size as usize) };
        let tree = Fdt::new(bytes).expect("a device tree");
        let platform = Self::from_tree(boot, &tree);
        boot.space.unmap(address, size);
        platform
    }

    fn from_tree(boot: &mut Boot, tree: &Fdt) -> Self {
        let is_wanted = boot.options().flags & Flags::NO_SERIAL.bits() == 0;
        let node = find_console(tree).filter(|_| is_wanted);
        let console = node.map_or(Console::NONE, |node| {
            let (address, _) = registers(&node, 0).expect("a UART has registers");
            // SAFETY: mapped just now; the tree says it is a UART.
            let uart = unsafe { device(boot, address, UART_SIZE) };
            Console::new(uart, interrupt(&node))
        });
        let psci = tree.find_compatible(&["arm,psci-1.0", "arm,psci-0.2"]);
        let method = psci.and_then(|node| node.property("method")?.as_str());
        panic::prepare(console, method == Some("smc"));

        let chip = find_chip(boot, tree);
        chip.initialise_cpu();
        let mut platform = Self {
            chip,
            timer: Timer::new(),
            console,
            cpus: [0; MAX_CPUS],
            cpu_count: 1,
            devices: boot.devices,
        };
        platform.cpus[0] = read_register!("mpidr_el1") & AFFINITY;
        platform.add_cpus(tree);
        platform
    }

    /// Adds the other CPUs of the tree.
    fn add_cpus(&mut self, tree: &Fdt) {
        let nodes = tree
            .find_node("/cpus")
            .into_iter()
            .flat_map(|cpus| cpus.children());
        for node in nodes.filter(|node| node.name.starts_with("cpu@")) {
            let Some(reg) = node.property("reg") else {
                continue;
            };
            let id = big_endian(reg.value) & AFFINITY;
            if id != self.cpus[0] && self.cpu_count < MAX_CPUS {
                self.cpus[self.cpu_count] = id;
                self.cpu_count += 1;
            }
        }
    }
}

/// Before the device tree is read: a console if the loader told of one, so
/// that what goes wrong until then is seen.
pub(super) fn prepare_console(boot: &mut Boot) {
    let uart = boot.options().uart;
    let is_known = uart
        .compatible
        .windows(UART_NAME.len())
        .any(|name| name == UART_NAME);
    if uart.access == UartAccess::Mmio as u8 && is_known {
        let base = uart.base;
        // SAFETY: mapped just now; the loader says it is a UART.
        let registers = unsafe { device(boot, base, UART_SIZE) };
        panic::prepare(Console::new(registers, None), false);
    }
}

/// Maps a device.
///
/// # Safety
/// It is a device that the kernel may own, of the kind its user expects.
unsafe fn device(boot: &mut Boot, address: u64, size: u64) -> Registers {
    boot.space.map(address, size, Access::Device);
    boot.devices.add((address, address + (size - 1)));
    // SAFETY: promised by the caller.
    unsafe { Registers::new(address) }
}

/// The UART that firmware used, else the first one.
fn find_console<'tree>(tree: &'tree Fdt<'tree>) -> Option<FdtNode<'tree, 'tree>> {
    let is_uart = |node: &FdtNode| {
        node.compatible()
            .is_some_and(|compatible| compatible.all().any(|name| name == UART))
    };
    tree.find_node("/chosen")
        .and_then(|chosen| chosen.property("stdout-path")?.as_str())
        .and_then(|path| tree.find_node(path.split(':').next()?))
        .filter(is_uart)
        .or_else(|| tree.find_compatible(&[UART]))
}

/// The interrupt controller.
fn find_chip(boot: &mut Boot, tree: &Fdt) -> IrqChip {
    let v3 = tree.find_compatible(&["arm,gic-v3"]).map(|node| {
        let (distributor, _) = open(boot, &node, 0);
        let (redistributors, size) = open(boot, &node, 1);
        GicV3::new(distributor, redistributors, size)
    });
    IrqChip(irqchip::find(boot, tree, v3))
}

/// Registers of an interrupt controller, and their bytes.
pub(super) fn open(boot: &mut Boot, node: &FdtNode, index: usize) -> (Registers, usize) {
    let (address, size) = registers(node, index).expect("a GIC has registers");
    // SAFETY: the tree says that it is a GIC.
    (unsafe { device(boot, address, size) }, size as usize)
}

/// Address and size of a device's registers.
pub(super) fn registers(node: &FdtNode, index: usize) -> Option<(u64, u64)> {
    let region = node.reg()?.nth(index)?;
    Some((region.starting_address as u64, region.size? as u64))
}

/// The INTID of a device's first interrupt.
fn interrupt(node: &FdtNode) -> Option<u32> {
    const SHARED: u64 = 0;
    const PRIVATE: u64 = 1;
    let cells = node.property("interrupts")?.value;
    let number = big_endian(cells.get(4..8)?) as u32;
    match big_endian(cells.get(..4)?) {
        SHARED => number.checked_add(32),
        PRIVATE => number.checked_add(16),
        _ => None,
    }
}

/// One or two cells.
fn big_endian(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .take(8)
        .fold(0, |value, &byte| value << 8 | u64::from(byte))
}
