//! The interrupt controller: a GIC of version 2 or 3, as the host has it, because the CPU interfaces are the
//! hardware's: they show the guest what stands in the list registers, which [`Gic::offer`] fills. What is here is
//! the rest, of which an interrupt comes to which CPU when.
//!
//! `bank` has the state of 32 interrupts; `v2` and `v3` are what the guest finds in memory.

mod bank;
#[cfg(feature = "gic-v2")]
pub(crate) mod v2;
pub(crate) mod v3;

use alloc::vec::Vec;
use bank::Bank;

use crate::aarch64::gic_version;
pub use crate::aarch64::gic_version::Version;
pub use v3::REDISTRIBUTOR_SIZE;

/// CPUs: one software-generated interrupt can name as many.
pub const MAX_CPUS: usize = 16;
/// The first interrupt that is a device's.
pub const FIRST_SHARED: u32 = 32;
/// Bytes of the distributor's registers.
pub const DISTRIBUTOR_SIZE: u64 = 0x1_0000;

/// Interrupts of a bank: a CPU's own, or the devices'.
const BANK: usize = 32;
/// Those of a CPU that are never levels.
const SOFTWARE_GENERATED: u32 = 0xffff;

/// List registers, as version 3 has them (ICH_LR_EL2).
mod list {
    pub(super) const PENDING: u64 = 1 << 62;
    pub(super) const STATE: u64 = 3 << 62;
    pub(super) const GROUP_1: u64 = 1 << 60;
    pub(super) const PRIORITY_SHIFT: u32 = 48;
    /// Its end is told.
    pub(super) const TELL_END: u64 = 1 << 41;
    pub(super) const NUMBER: u64 = 0xffff_ffff;
}

/// What a CPU has of its own.
struct Own {
    bank: Bank,
    asleep: bool,
    /// What its list registers show, its own interrupts and behind them those of devices.
    shown: u64,
}

/// The controller.
pub struct Gic {
    /// Its version.
    pub version: Version,
    is_on: bool,
    own: Vec<Own>,
    devices: Bank,
    /// The CPU of each device's interrupt.
    routes: [u8; BANK],
}

impl Gic {
    /// One for so many CPUs.
    pub fn new(version: Version, cpus: u8) -> Self {
        let own = || Own {
            bank: Bank::new(SOFTWARE_GENERATED),
            asleep: true,
            shown: 0,
        };
        Self {
            version,
            is_on: false,
            own: (0..cpus).take(MAX_CPUS).map(|_| own()).collect(),
            devices: Bank::default(),
            routes: [0; BANK],
        }
    }

    /// The level of a device's line; its interrupt is [`FIRST_SHARED`] or higher.
    pub fn set_line(&mut self, interrupt: u32, high: bool) {
        let bit = bit(interrupt.wrapping_sub(FIRST_SHARED));
        let bank = &mut self.devices;
        if high && bank.lines & bit == 0 && bank.edges & bit != 0 {
            bank.pending |= bit;
        }
        bank.lines = bank.lines & !bit | if high { bit } else { 0 };
    }

    /// One of a CPU's own interrupts comes once.
    pub fn raise(&mut self, cpu: usize, interrupt: u32) {
        if let Some(own) = self.own.get_mut(cpu) {
            own.bank.pending |= bit(interrupt);
        }
    }

    /// A software-generated interrupt comes to the CPUs that it is for.
    fn send(&mut self, interrupt: u32, is_for: impl Fn(usize) -> bool) {
        for cpu in (0..self.own.len()).filter(|cpu| is_for(*cpu)) {
            self.raise(cpu, interrupt);
        }
    }

    /// Devices' interrupt `index` goes to a CPU from now on; to the first, if there is no such CPU.
    fn route(&mut self, index: usize, cpu: usize) {
        let exists = cpu < self.own.len();
        if let Some(route) = self.routes.get_mut(index) {
            *route = if exists { cpu as u8 } else { 0 };
        }
    }

    /// A CPU reads the distributor.
    pub fn read_distributor(&self, cpu: usize, offset: u64, size: u8) -> u64 {
        gic_version::read(self, cpu, offset, size)
    }

    /// A CPU writes the distributor.
    pub fn write_distributor(&mut self, cpu: usize, offset: u64, size: u8, value: u64) {
        gic_version::write(self, cpu, offset, size, value);
    }

    /// Whether an interrupt waits that the CPU with these list registers would take, but for its own masks.
    pub fn is_waiting(&self, cpu: usize, lists: &[u64]) -> bool {
        let shown = lists.iter().any(|list| list & list::PENDING != 0);
        shown || self.wants(cpu)
    }

    /// Whether an interrupt waits that is to be shown to a CPU, and is not yet.
    pub fn wants(&self, cpu: usize) -> bool {
        self.ready(cpu) & !self.shown(cpu) != 0
    }

    /// Puts what waits into the free list registers of a CPU, the most urgent first. Whether some found no room.
    pub fn offer(&mut self, cpu: usize, lists: &mut [u64]) -> bool {
        let mut shown = 0;
        for list in lists.iter_mut().filter(|list| **list != 0) {
            let number = (*list & list::NUMBER) as u32;
            *list = match self.bank(cpu, number) {
                Some(bank) => bank.update(bit(number % BANK as u32), *list),
                None => 0,
            };
            if *list != 0 {
                shown |= 1 << number;
            }
        }
        self.set_shown(cpu, shown);
        for list in lists.iter_mut().filter(|list| **list == 0) {
            let Some(next) = self.most_urgent(cpu) else {
                break;
            };
            let Some(bank) = self.bank(cpu, next) else {
                break;
            };
            *list = bank.show(next);
            shown |= 1 << next;
            self.set_shown(cpu, shown);
        }
        self.wants(cpu)
    }

    /// Takes back what the list registers of a CPU show, which is off now: other CPUs can have those of devices.
    pub fn release(&mut self, cpu: usize, lists: &[u64]) {
        for list in lists.iter().filter(|list| **list & list::PENDING != 0) {
            let number = (*list & list::NUMBER) as u32;
            if let Some(bank) = self.bank(cpu, number) {
                bank.take_back(bit(number % BANK as u32));
            }
        }
        self.set_shown(cpu, 0);
    }

    fn set_shown(&mut self, cpu: usize, shown: u64) {
        if let Some(own) = self.own.get_mut(cpu) {
            own.shown = shown;
        }
    }

    /// Interrupts that are not to be shown to a CPU because they are already: its own to it, those of devices to
    /// any CPU.
    fn shown(&self, cpu: usize) -> u64 {
        let all = self.own.iter().fold(0, |shown, own| shown | own.shown);
        let own = self.own.get(cpu).map_or(0, |own| own.shown);
        own | all >> FIRST_SHARED << FIRST_SHARED
    }

    /// The bank that an interrupt of a CPU is in.
    fn bank(&mut self, cpu: usize, interrupt: u32) -> Option<&mut Bank> {
        match interrupt {
            0..FIRST_SHARED => self.own.get_mut(cpu).map(|own| &mut own.bank),
            FIRST_SHARED..64 => Some(&mut self.devices),
            _ => None,
        }
    }

    /// Those that could be shown to a CPU.
    fn ready(&self, cpu: usize) -> u64 {
        let Some(own) = self.own.get(cpu).filter(|_| self.is_on) else {
            return 0;
        };
        let is_routed_here = |index: &usize| usize::from(self.routes[*index]) == cpu;
        let here = (0..BANK).filter(is_routed_here).map(|index| 1 << index);
        let devices = self.devices.ready() & here.sum::<u32>();
        u64::from(own.bank.ready()) | u64::from(devices) << FIRST_SHARED
    }

    fn most_urgent(&self, cpu: usize) -> Option<u32> {
        let among = self.ready(cpu) & !self.shown(cpu);
        let own = self.own.get(cpu)?.bank.priorities.iter();
        let priorities = own.chain(&self.devices.priorities);
        let waiting = (0..)
            .zip(priorities)
            .filter(|(number, _)| among >> number & 1 != 0);
        waiting
            .min_by_key(|(_, priority)| **priority)
            .map(|(number, _)| number)
    }
}

/// 0 for an interrupt that does not exist.
fn bit(interrupt: u32) -> u32 {
    1_u32.checked_shl(interrupt).unwrap_or(0)
}

#[cfg(test)]
mod tests;
