//! GIC version 2 (IHI 0048): CPU interfaces in memory.

use core::sync::atomic::{AtomicU64, Ordering};

use super::MessageFrame;
use super::distributor::{self, AFFINITY, Distributor, Group};
use super::{IPI, LOWEST_PRIORITY, OWN};
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
/// Owns the interfaces of CPUs that have not started.
const NOBODY: u64 = u64::MAX;

/// The controller.
pub(crate) struct GicV2 {
    pub(super) distributor: Distributor,
    interface: Registers,
    /// By which guests get interrupts.
    pub(super) virtual_interface: Registers,
    /// The physical address of what a guest has for its CPU interface.
    pub(super) guest_interface: u64,
    /// By which devices send messages, if it can take any.
    pub(super) messages: Option<MessageFrame>,
    /// The hardware ids of the CPUs that the interfaces belong to.
    owners: [AtomicU64; MAX_INTERFACES],
}

impl GicV2 {
    /// Takes the controller over.
    pub(crate) fn new(
        distributor: Registers,
        interface: Registers,
        virtual_interface: Registers,
        guest_interface: u64,
        messages: Option<MessageFrame>,
    ) -> Self {
        let gic = Self {
            distributor: Distributor::new(distributor, ENABLE, Group::Zero),
            interface,
            virtual_interface,
            guest_interface,
            messages,
            owners: [const { AtomicU64::new(NOBODY) }; MAX_INTERFACES],
        };
        let target = gic.distributor.own_target();
        for pin in super::FIRST_SHARED..gic.distributor.interrupts {
            gic.distributor.set_target(pin, target);
        }
        if let Some(messages) = &gic.messages {
            let lines = (0..messages.count).filter_map(|number| messages.line(number));
            // A message is there once, not until somebody takes it back.
            lines.for_each(|line| gic.distributor.set_edge(line, true));
        }
        gic
    }

    pub(super) fn initialise_cpu(&self) {
        let interface = self.distributor.own_target().trailing_zeros() as usize;
        let hardware_id = read_register!("mpidr_el1") & AFFINITY;
        self.owners[interface].store(hardware_id, Ordering::Relaxed);
        let own = self.distributor.registers();
        distributor::initialise_bank(own, 0, Group::Zero);
        distributor::enable_own(own, OWN);
        self.virtual_interface.write(0, 0);
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
        if let Some(target) = self.target(hardware_id) {
            self.distributor.set_target(pin, target);
        }
    }

    pub(super) fn send_ipi(&self, hardware_id: u64) {
        if let Some(target) = self.target(hardware_id) {
            barrier!("dsb ishst");
            self.distributor
                .registers()
                .write(SOFTWARE_INTERRUPT, u32::from(target) << 16 | IPI);
        }
    }

    /// The mask that stands for a CPU as a target.
    fn target(&self, hardware_id: u64) -> Option<u8> {
        let is_its = |owner: &AtomicU64| owner.load(Ordering::Relaxed) == hardware_id;
        let interface = self.owners.iter().position(is_its)?;
        Some(1 << interface)
    }
}
