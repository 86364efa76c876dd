//! What belongs to the machine as a whole: devices, CPUs, power.

use core::sync::atomic::{AtomicU32, Ordering};

use super::acpi::{Acpi, MAX_CPUS, MAX_IO_APICS, Registers};
use super::console::Console;
use super::instructions::{halt, read_port_16, write_port_8, write_port_16};
use super::irqchip::IrqChip;
use super::local_apic::LocalApic;
use super::timer::Timer;

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
    devices: [(u64, u64); 1 + MAX_IO_APICS],
    device_count: usize,
}

impl Platform {
    /// Finds and initialises the devices; `root` is where the loader found
    /// ACPI's root pointer, or 0.
    pub(super) fn new(root: u64) -> Self {
        let acpi = Acpi::read(root);
        prepare_power(&acpi);
        let local = LocalApic::find(acpi.local_apic);
        local.initialise();
        let boot_cpu = local.id();

        let mut cpus = [0; MAX_CPUS];
        cpus[0] = u64::from(boot_cpu);
        let mut cpu_count = 1;
        let others = acpi.cpus[..acpi.cpu_count]
            .iter()
            .filter(|&&id| id != boot_cpu);
        for (place, &id) in cpus[1..].iter_mut().zip(others) {
            *place = u64::from(id);
            cpu_count += 1;
        }
        let registers = |address: u64| (address, address.saturating_add(4095));
        let mut devices = [registers(acpi.local_apic); 1 + MAX_IO_APICS];
        let io_apics = &acpi.io_apics[..acpi.io_apic_count];
        for (place, io_apic) in devices[1..].iter_mut().zip(io_apics) {
            *place = registers(io_apic.address);
        }
        Self {
            chip: IrqChip::new(&acpi, local, boot_cpu),
            timer: Timer::new(local, acpi.registers.timer),
            console: Console::find(),
            cpus,
            cpu_count,
            devices,
            device_count: 1 + io_apics.len(),
        }
    }

    /// The hardware ids of the CPUs; the boot CPU first.
    pub fn cpus(&self) -> &[u64] {
        &self.cpus[..self.cpu_count]
    }

    /// Sets up what each CPU has of the devices: local APIC and timer.
    pub fn initialise_cpu(&self) {
        self.chip.local.initialise();
        self.timer.initialise_cpu();
    }

    /// The devices' registers, which user mode must not have: first and last
    /// address.
    pub fn devices(&self) -> &[(u64, u64)] {
        &self.devices[..self.device_count]
    }

    /// Turns the machine off.
    pub fn shutdown(&self) -> ! {
        self.console.finish();
        power_off()
    }

    /// Resets the machine.
    pub fn reset(&self) -> ! {
        self.console.finish();
        reset()
    }
}

/// How to power off and reset: port in the low half, value in the high one;
/// 0: not known. A static, because a kernel that cannot go on needs it.
static POWER_OFF: [AtomicU32; 2] = [AtomicU32::new(0), AtomicU32::new(0)];
static RESET: AtomicU32 = AtomicU32::new(0);

/// Bits of the power management control register (ACPI 4.8.3.2).
const ACPI_ENABLED: u16 = 1;
const SLEEP_TYPE_SHIFT: u32 = 10;
const SLEEP_ENABLE: u16 = 1 << 13;

/// How often to look whether firmware has handed power management over.
const PATIENCE: u32 = 1_000_000;

fn prepare_power(acpi: &Acpi) {
    let registers = &acpi.registers;
    take_over(registers);
    if let Some(types) = acpi.sleep_types {
        for ((way, &port), kind) in POWER_OFF.iter().zip(&registers.control).zip(types) {
            let value = u16::from(kind & 7) << SLEEP_TYPE_SHIFT | SLEEP_ENABLE;
            if port != 0 {
                way.store(u32::from(value) << 16 | u32::from(port), Ordering::Relaxed);
            }
        }
    }
    let reset = u32::from(registers.reset_value) << 16 | u32::from(registers.reset);
    if registers.reset != 0 {
        RESET.store(reset, Ordering::Relaxed);
    }
}

/// Asks firmware to leave power management to us (ACPI 4.8.3.2).
fn take_over(registers: &Registers) {
    let control = registers.control[0];
    if control == 0 || registers.command == 0 || registers.enable == 0 {
        return;
    }
    // SAFETY: the registers are the kernel's.
    unsafe {
        if read_port_16(control) & ACPI_ENABLED == 0 {
            write_port_8(registers.command, registers.enable);
            for _ in 0..PATIENCE {
                if read_port_16(control) & ACPI_ENABLED != 0 {
                    break;
                }
            }
        }
    }
}

/// Turns the machine off, or at least resets it.
pub(crate) fn power_off() -> ! {
    for way in &POWER_OFF {
        let way = way.load(Ordering::Relaxed);
        if way != 0 {
            // SAFETY: nothing runs any more.
            unsafe { write_port_16(way as u16, (way >> 16) as u16) };
        }
    }
    // It takes a moment.
    for _ in 0..PATIENCE {
        core::hint::spin_loop();
    }
    reset()
}

/// Resets the machine, or at least stops this CPU.
pub(super) fn reset() -> ! {
    const CHIPSET_CONTROL: u16 = 0xcf9;
    let way = RESET.load(Ordering::Relaxed);
    // SAFETY: nothing runs any more.
    unsafe {
        if way != 0 {
            write_port_8(way as u16, (way >> 16) as u8);
        }
        // Hard reset by PC chipsets.
        write_port_8(CHIPSET_CONTROL, 0x02);
        write_port_8(CHIPSET_CONTROL, 0x06);
    }
    halt()
}
