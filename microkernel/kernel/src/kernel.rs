//! What all CPUs share.

use core::sync::atomic::{AtomicU64, Ordering};

use machine::lock::Lock;
use machine::object::Reaper;
use machine::platform::Platform;
use machine::quiescence::Quiescence;
use machine::tlb::Tlbs;
use machine::utcb::Utcb;

use crate::debugger::Debugger;
use crate::mapping::Mappings;
use crate::memory::KernelHeap;
use crate::object::Common;
use crate::object::icu::{HOTPLUG_PIN, INPUT_PIN, PinSlot};
use crate::remote::Reachable;

/// Pins that an interrupt controller may have.
pub const MAX_PINS: usize = 1024;

/// A kernel.
pub struct Kernel {
    /// Kernel memory.
    pub heap: KernelHeap,
    /// Objects without references, to be freed when a kernel entry ends.
    pub reaper: Reaper<Common>,
    /// When no CPU can refer to them any more.
    pub quiescence: Quiescence,
    /// What the CPUs show to each other.
    pub reachable: &'static [Reachable],
    /// The devices that the kernel drives.
    pub platform: Platform,
    /// What is bound to the pins of the interrupt chip.
    pub pins: &'static [PinSlot],
    /// Guards what is bound to which pin; read without it.
    pub pin_lock: Lock<()>,
    /// What the console's input triggers.
    pub input_pin: PinSlot,
    /// What a CPU that comes or goes triggers.
    pub hotplug_pin: PinSlot,
    /// Stands in for the UTCB of threads that have none.
    pub scrap_utcb: Utcb,
    /// The mapping trees.
    pub mappings: Mappings,
    /// What hardware remembers of address spaces.
    pub tlbs: Tlbs,
    /// The last number given to a thread or an interrupt.
    pub last_id: AtomicU64,
    /// The kernel debugger.
    pub debugger: Debugger,
}

impl Kernel {
    /// A number that nothing else has or had.
    pub fn new_id(&self) -> u64 {
        self.last_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// What the machine calls the CPU `id`.
    pub fn hardware_id(&self, id: u32) -> u64 {
        self.platform.cpus().get(id as usize).copied().unwrap_or(0)
    }

    /// The place for what is bound to a pin.
    pub fn pin_slot(&self, pin: u32) -> Option<&PinSlot> {
        match pin {
            INPUT_PIN => Some(&self.input_pin),
            HOTPLUG_PIN => Some(&self.hotplug_pin),
            pin => self.pins.get(pin as usize),
        }
    }
}
