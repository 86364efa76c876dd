//! GIC version 2 (IHI 0048): CPU interfaces in memory.

use core::sync::atomic::{AtomicU8, Ordering};

use super::distributor::{self, Distributor, Group};
use super::{IPI, LOWEST_PRIORITY, TIMER};
use crate::arch::mmio::Registers;

/// Offsets of the CPU interface's registers.
mod offset {
    pub(super) const CONTROL: usize = 0x00;
    pub(super) const PRIORITY_MASK: usize = 0x04;
    pub(super) const BINARY_POINT: usize = 0x08;
    pub(super) const ACKNOWLEDGE: usize = 0x0c;
    pub(super) const END: usize = 0x10;
}

/// GICD_SGIR.
const SOFTWARE_INTERRUPT: usize = 0xf00;
/// Distributor and CPU interface: forward what we get. A non-secure kernel
/// sees its group as bit 0; without the security extensions, where groups
/// are visible, group 1 is bit 1.
const ENABLE: u32 = 0b11;
/// CPU interfaces, at most.
const MAX_INTERFACES: usize = 8;
/// No CPU has this interface number yet.
const UNKNOWN: u8 = 0;

/// The controller.
pub(crate) struct GicV2 {
    pub(super) distributor: Distributor,
    interface: Registers,
    /// Target masks of the CPUs, by the lowest affinity field of their
    /// hardware ids.
    targets: [AtomicU8; MAX_INTERFACES],
}

impl GicV2 {
    /// Takes the controller over.
    pub(crate) fn new(distributor: Registers, interface: Registers) -> Self {
        let gic = Self {
            distributor: Distributor::new(distributor, ENABLE, Group::Zero),
            interface,
            targets: [const { AtomicU8::new(UNKNOWN) }; MAX_INTERFACES],
        };
        let target = gic.distributor.own_target();
        for pin in super::FIRST_SHARED..gic.distributor.interrupts {
            gic.distributor.set_target(pin, target);
        }
        gic
    }

    pub(super) fn initialise_cpu(&self) {
        let index = read_register!("mpidr_el1") as usize % MAX_INTERFACES;
        self.targets[index].store(self.distributor.own_target(), Ordering::Relaxed);
        let own = self.distributor.registers();
        distributor::initialise_bank(own, 0, Group::Zero);
        distributor::enable_own(own, 1 << TIMER | 1 << IPI);
        self.interface.write(offset::PRIORITY_MASK, LOWEST_PRIORITY);
        self.interface.write(offset::BINARY_POINT, 0);
        self.interface.write(offset::CONTROL, ENABLE);
    }

    #[inline]
    pub(super) fn claim(&self) -> u32 {
        self.interface.read(offset::ACKNOWLEDGE)
    }

    #[inline]
    pub(super) fn end(&self, claimed: u32) {
        // What masked the interrupt comes before.
        barrier!("dsb sy");
        self.interface.write(offset::END, claimed);
    }

    pub(super) fn route(&self, pin: u32, hardware_id: u64) {
        let target = self.target(hardware_id);
        if target != UNKNOWN {
            self.distributor.set_target(pin, target);
        }
    }

    pub(super) fn send_ipi(&self, hardware_id: u64) {
        let target = u32::from(self.target(hardware_id));
        barrier!("dsb ishst");
        self.distributor
            .registers()
            .write(SOFTWARE_INTERRUPT, target << 16 | IPI);
    }

    fn target(&self, hardware_id: u64) -> u8 {
        self.targets[hardware_id as usize % MAX_INTERFACES].load(Ordering::Relaxed)
    }
}
