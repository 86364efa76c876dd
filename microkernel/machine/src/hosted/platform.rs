//! What belongs to the machine as a whole.

use std::vec::Vec;

use super::console::Console;
use super::irqchip::IrqChip;
use super::timer::Timer;

/// Pins of the interrupt chip.
const PINS: u32 = 64;

/// The devices that the kernel drives.
pub struct Platform {
    /// The interrupt chip.
    pub chip: IrqChip,
    /// The clock.
    pub timer: Timer,
    /// The console.
    pub console: Console,
    cpus: Vec<u64>,
}

impl Platform {
    /// A machine with so many CPUs.
    pub fn new(cpus: u32) -> Self {
        Self {
            chip: IrqChip::new(PINS),
            timer: Timer::new(),
            console: Console::new(),
            cpus: (0..u64::from(cpus)).collect(),
        }
    }

    /// The hardware ids of the CPUs, the boot CPU's first.
    pub fn cpus(&self) -> &[u64] {
        &self.cpus
    }

    /// Sets up what each CPU has of the devices.
    pub fn initialise_cpu(&self) {}

    /// Register ranges of devices: none.
    pub fn devices(&self) -> &[(u64, u64)] {
        &[]
    }

    /// Turns the machine off: the test ends in a panic.
    pub fn shutdown(&self) -> ! {
        panic!("the machine was shut down")
    }

    /// Resets the machine: the test ends in a panic.
    pub fn reset(&self) -> ! {
        panic!("the machine was reset")
    }
}
