//! The controller (IHI 0048): CPU interfaces in memory.

use core::sync::atomic::{AtomicU64, Ordering};

use fdt::Fdt;

use super::message_frame::MessageFrame;
use crate::arch::boot::Boot;
use crate::arch::irqchip::distributor::{self, AFFINITY, Distributor};
use crate::arch::irqchip::{FIRST_SHARED, IPI, LOWEST_PRIORITY, OWN};
use crate::arch::kernel_space::Access;
use crate::arch::mmio::Registers;
use crate::arch::platform::{open, registers};

/// What device trees call it.
const COMPATIBLE: [&str; 4] = [
    "arm,cortex-a15-gic",
    "arm,gic-400",
    "arm,cortex-a7-gic",
    "arm,cortex-a9-gic",
];

/// Offsets of the CPU interface's registers.
mod offset {
    pub(super) const CONTROL: usize = 0x00;
    pub(super) const PRIORITY_MASK: usize = 0x04;
    pub(super) const BINARY_POINT: usize = 0x08;
    pub(super) const ACKNOWLEDGE: usize = 0x0c;
    pub(super) const END: usize = 0x10;
}

/// GICD_ITARGETSR.
const TARGET: usize = 0x800;
/// GICD_SGIR.
const SOFTWARE_INTERRUPT: usize = 0xf00;
/// Distributor and CPU interface: forward what we get. A non-secure kernel
/// sees its group as bit 0; without the security extensions, where groups
/// are visible, group 1 is bit 1.
const ENABLE: u32 = 0b11;
/// All interrupts are of group 0, which is signalled as IRQ and acknowledged by
/// the plain register.
const GROUP: u32 = 0;
/// CPU interfaces, at most.
const MAX_INTERFACES: usize = 8;
/// Owns the interfaces of CPUs that have not started.
const NOBODY: u64 = u64::MAX;

/// The controller.
pub(crate) struct GicV2 {
    distributor: Distributor,
    interface: Registers,
    /// By which guests get interrupts.
    pub(super) virtual_interface: Registers,
    /// The physical address of what a guest has for its CPU interface.
    guest_interface: u64,
    /// By which devices send messages, if it can take any.
    messages: Option<MessageFrame>,
    /// The hardware ids of the CPUs that the interfaces belong to.
    owners: [AtomicU64; MAX_INTERFACES],
}

/// The controller, if the tree has one.
pub(super) fn find(boot: &mut Boot, tree: &Fdt) -> Option<GicV2> {
    let node = tree.find_compatible(&COMPATIBLE)?;
    let (distributor, _) = open(boot, &node, 0);
    let (interface, _) = open(boot, &node, 1);
    // A kernel at EL2 needs the virtual parts.
    let (virtual_interface, _) = open(boot, &node, 2);
    let (guest_interface, _) = registers(&node, 3).expect("a GIC has registers");
    let frame = tree.find_compatible(&["arm,gic-v2m-frame"]);
    let messages = frame.and_then(|node| registers(&node, 0));
    let messages = messages.map(|(address, size)| {
        // User mode may have it too: it is there for devices to write to.
        boot.space.map(address, size, Access::Device);
        // SAFETY: the tree says that it is such a frame.
        MessageFrame::new(unsafe { Registers::new(address) }, address)
    });
    Some(GicV2::new(
        distributor,
        interface,
        virtual_interface,
        guest_interface,
        messages,
    ))
}

impl GicV2 {
    /// Takes the controller over.
    fn new(
        distributor: Registers,
        interface: Registers,
        virtual_interface: Registers,
        guest_interface: u64,
        messages: Option<MessageFrame>,
    ) -> Self {
        let gic = Self {
            distributor: Distributor::new(distributor, ENABLE, GROUP),
            interface,
            virtual_interface,
            guest_interface,
            messages,
            owners: [const { AtomicU64::new(NOBODY) }; MAX_INTERFACES],
        };
        let target = gic.own_target();
        for pin in FIRST_SHARED..gic.distributor.interrupts {
            gic.set_target(pin, target);
        }
        if let Some(messages) = &gic.messages {
            let lines = (0..messages.count).filter_map(|number| messages.line(number));
            // A message is there once, not until somebody takes it back.
            lines.for_each(|line| gic.distributor.set_edge(line, true));
        }
        gic
    }

    pub(super) fn initialise_cpu(&self) {
        let interface = self.own_target().trailing_zeros() as usize;
        let hardware_id = read_register!("mpidr_el1") & AFFINITY;
        self.owners[interface].store(hardware_id, Ordering::Relaxed);
        let own = self.distributor.registers;
        distributor::initialise_bank(own, 0, GROUP);
        distributor::enable_own(own, OWN);
        self.virtual_interface.write(0, 0);
        self.interface.write(offset::PRIORITY_MASK, LOWEST_PRIORITY);
        self.interface.write(offset::BINARY_POINT, 0);
        self.interface.write(offset::CONTROL, ENABLE);
    }

    pub(super) fn distributor(&self) -> &Distributor {
        &self.distributor
    }

    pub(super) fn version(&self) -> u8 {
        2
    }

    pub(super) fn guest_interface(&self) -> Option<u64> {
        Some(self.guest_interface)
    }

    pub(super) fn messages(&self) -> u32 {
        self.messages.as_ref().map_or(0, |frame| frame.count)
    }

    /// Where a message is sent, and the interrupt that it raises.
    pub(super) fn message(&self, number: u32) -> Option<(u64, u32)> {
        let frame = self.messages.as_ref()?;
        Some((frame.target(), frame.line(number)?))
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
            self.set_target(pin, target);
        }
    }

    pub(super) fn send_ipi(&self, hardware_id: u64) {
        if let Some(target) = self.target(hardware_id) {
            barrier!("dsb ishst");
            self.distributor
                .registers
                .write(SOFTWARE_INTERRUPT, u32::from(target) << 16 | IPI);
        }
    }

    /// The mask that stands for this CPU as a target.
    fn own_target(&self) -> u8 {
        // Each CPU reads itself as the target of its own interrupts. A
        // single CPU may read 0.
        self.distributor.registers.read(TARGET).to_le_bytes()[0].max(1)
    }

    /// Sends an interrupt to the CPUs of a mask.
    fn set_target(&self, pin: u32, target: u8) {
        let registers = self.distributor.registers;
        registers.write_byte(TARGET + pin as usize, target);
    }

    /// The mask that stands for a CPU as a target.
    fn target(&self, hardware_id: u64) -> Option<u8> {
        let is_its = |owner: &AtomicU64| owner.load(Ordering::Relaxed) == hardware_id;
        let interface = self.owners.iter().position(is_its)?;
        Some(1 << interface)
    }
}
