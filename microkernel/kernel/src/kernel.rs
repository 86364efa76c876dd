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
use crate::object::icu::PinSlot;
use crate::object::vlog::Output;
use crate::remote::Reachable;

/// Places for what is bound to pins: an interrupt controller has fewer than 1021, and two are the
/// kernel's own.
pub const PIN_SLOTS: usize = 1024;

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
    /// What is bound to the pins of the interrupt chip, and to the kernel's own.
    pub pins: &'static [PinSlot],
    /// Guards what is bound to which pin; read without it.
    pub pin_lock: Lock<()>,
    /// What is being written to the console.
    pub output: Lock<Output>,
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
        self.pins.get(pin as usize)
    }
}
