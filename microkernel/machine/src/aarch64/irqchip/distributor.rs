//! The distributor (GIC architecture IHI 0069, chapter 12.9; in version 2
//! IHI 0048, chapter 4.3): what all CPUs share.

use super::{FIRST_SHARED, PRIORITY};
use crate::arch::mmio::Registers;
use crate::lock::Lock;

/// Offsets of registers.
mod offset {
    pub(super) const CONTROL: usize = 0x000;
    pub(super) const TYPE: usize = 0x004;
    pub(super) const GROUP: usize = 0x080;
    pub(super) const SET_ENABLE: usize = 0x100;
    pub(super) const CLEAR_ENABLE: usize = 0x180;
    pub(super) const CLEAR_PENDING: usize = 0x280;
    pub(super) const CLEAR_ACTIVE: usize = 0x380;
    pub(super) const PRIORITY: usize = 0x400;
    pub(super) const CONFIGURATION: usize = 0xc00;
    pub(super) const ROUTE: usize = 0x6000;
}

/// A register write is still on its way (version 3).
const WRITE_PENDING: u32 = 1 << 31;
/// How often that is looked at; it takes less than a microsecond.
const WRITE_PATIENCE: u32 = 100_000;
/// Interrupts beyond have special meanings.
const MAX_INTERRUPTS: u32 = 1020;
/// The affinity fields of a hardware id (MPIDR).
pub(super) const AFFINITY: u64 = 0xff_00ff_ffff;

/// The distributor.
pub(crate) struct Distributor {
    pub(super) registers: Registers,
    /// INTIDs up to here, this one excluded.
    pub(super) interrupts: u32,
    /// Guards the configuration registers, which have several pins each.
    configuration: Lock<()>,
}

impl Distributor {
    /// Turns the distributor on with all shared interrupts off.
    ///
    /// `control` is what turns it on: groups, and affinity routing.
    pub(super) fn new(registers: Registers, control: u32, group: u32) -> Self {
        let interrupts = (registers.read(offset::TYPE) & 0x1f).wrapping_add(1) * 32;
        let distributor = Self {
            registers,
            interrupts: interrupts.min(MAX_INTERRUPTS),
            configuration: Lock::new(()),
        };
        registers.write(offset::CONTROL, 0);
        distributor.settle();
        for first in (FIRST_SHARED..distributor.interrupts).step_by(32) {
            initialise_bank(registers, first, group);
        }
        for first in (FIRST_SHARED..distributor.interrupts).step_by(16) {
            // All level-triggered.
            registers.write(offset::CONFIGURATION + first as usize / 4, 0);
        }
        distributor.settle();
        registers.write(offset::CONTROL, control);
        distributor.settle();
        distributor
    }

    /// Sends an interrupt to the CPU with this hardware id; version 3 only.
    pub(super) fn route(&self, pin: u32, hardware_id: u64) {
        self.registers
            .write_long(offset::ROUTE + pin as usize * 8, hardware_id & AFFINITY);
    }

    pub(super) fn enable(&self, pin: u32) {
        self.registers
            .write(offset::SET_ENABLE + word(pin), bit(pin));
    }

    /// Afterwards the interrupt is not signalled any more.
    pub(super) fn disable(&self, pin: u32) {
        self.registers
            .write(offset::CLEAR_ENABLE + word(pin), bit(pin));
        self.settle();
    }

    pub(super) fn is_edge(&self, pin: u32) -> bool {
        let (register, bit) = configuration(pin);
        self.registers.read(register) & bit != 0
    }

    pub(super) fn set_edge(&self, pin: u32, is_edge: bool) {
        let _guard = self.configuration.lock();
        // It may not change while the interrupt is enabled.
        let was_enabled = self.registers.read(offset::SET_ENABLE + word(pin)) & bit(pin) != 0;
        self.disable(pin);
        let (register, edge) = configuration(pin);
        let others = self.registers.read(register) & !edge;
        let value = if is_edge { others | edge } else { others };
        self.registers.write(register, value);
        if was_enabled {
            self.enable(pin);
        }
    }

    /// Waits until what was written is in force. Version 2 has no register
    /// for it; there reading orders.
    fn settle(&self) {
        for _ in 0..WRITE_PATIENCE {
            if self.registers.read(offset::CONTROL) & WRITE_PENDING == 0 {
                break;
            }
        }
        barrier!("dsb sy");
    }
}

/// Turns 32 interrupts from `first` on off, with the one priority. `group` is
/// that of all, as the bits of the group register, which a non-secure kernel
/// on a GIC with security can only read. Redistributors have the same
/// registers for the CPU's own.
pub(super) fn initialise_bank(registers: Registers, first: u32, group: u32) {
    registers.write(offset::CLEAR_ENABLE + word(first), u32::MAX);
    registers.write(offset::CLEAR_PENDING + word(first), u32::MAX);
    registers.write(offset::CLEAR_ACTIVE + word(first), u32::MAX);
    registers.write(offset::GROUP + word(first), group);
    for pin in (first..first + 32).step_by(4) {
        let four = PRIORITY * 0x0101_0101;
        registers.write(offset::PRIORITY + pin as usize, four);
    }
}

/// Enables the interrupts of a mask among the CPU's own.
pub(super) fn enable_own(registers: Registers, mask: u32) {
    registers.write(offset::SET_ENABLE, mask);
}

/// Where the 32 interrupts around `pin` have their bits, in bytes.
fn word(pin: u32) -> usize {
    pin as usize / 32 * 4
}

fn bit(pin: u32) -> u32 {
    1 << (pin % 32)
}

/// The configuration register of a pin, and the bit there that means edge.
fn configuration(pin: u32) -> (usize, u32) {
    let register = offset::CONFIGURATION + pin as usize / 16 * 4;
    (register, 2 << (pin % 16 * 2))
}
