//! Boot: the loader's work is done by the test that makes a [`Boot`].

use core::mem::offset_of;
use std::boxed::Box;

use l4_abi::arch::aarch64::{KIP_MEMORY_DESCRIPTORS_OFFSET, KIP_STRINGS_OFFSET, KipHeader};
use l4_abi::kip::{MemoryDescriptor, MemoryType};

use super::platform::Platform;
use crate::address::PhysicalAddress;
use crate::kernel_memory::Descriptors;
use crate::kip::KipPage;
use crate::memory::{FRAME_SIZE, KernelMemory, Storage};
use crate::options::{Options, OptionsBlock};
use crate::per_cpu::{CpuBlock, PerCpu};

/// Bytes of storage that [`Boot::start_cpu`] wants.
pub const CPU_STORAGE: usize = FRAME_SIZE;

/// RAM that the loader tells of: the first address, and the last.
const RAM: (u64, u64) = (1 << 20, (256 << 20) - 1);
/// Where the initial tasks start; nothing runs there.
const SIGMA0_ENTRY: u64 = 0x10_0000;
const ROOT_TASK_ENTRY: u64 = 0x14_0000;

/// What the kernel finds when it starts.
pub struct Boot {
    kip: &'static KipPage,
    cpus: u32,
}

impl Boot {
    /// A machine with so many CPUs. The KIP is never freed, as on hardware.
    pub fn new(cpus: u32) -> Self {
        let kip = Box::leak(Box::new(KipPage::in_image(
            KIP_MEMORY_DESCRIPTORS_OFFSET,
            KIP_STRINGS_OFFSET,
            b"hosted\0mapdb\0",
        )));
        let (start, last) = RAM;
        let memory = MemoryDescriptor::physical(MemoryType::Conventional, 0, start, last);
        assert!(Descriptors::of(kip).add(memory));
        kip.set_word(offset_of!(KipHeader, sigma0_entry), SIGMA0_ENTRY);
        kip.set_word(offset_of!(KipHeader, root_task_entry), ROOT_TASK_ENTRY);
        Self { kip, cpus }
    }

    /// The kernel info page.
    pub fn kip(&self) -> &'static KipPage {
        self.kip
    }

    /// Its physical address.
    pub fn kip_physical(&self) -> PhysicalAddress {
        PhysicalAddress::new(core::ptr::from_ref(self.kip) as u64)
    }

    /// What the loader took from the kernel's command line: nothing.
    pub fn options(&self) -> Options {
        OptionsBlock::unset().read()
    }

    /// Memory of this process in place of what the descriptors say.
    ///
    /// # Safety
    /// As on hardware; here nothing can go wrong.
    pub unsafe fn map_kernel_memory(
        &mut self,
        physical: PhysicalAddress,
        frames: usize,
    ) -> KernelMemory {
        KernelMemory::hosted(physical, frames)
    }

    /// The devices.
    pub fn platform(&mut self) -> Platform {
        Platform::new(self.cpus)
    }

    /// Starts no CPU: a test enters the kernel on as many as it likes.
    pub fn start_cpu<L: 'static>(
        &mut self,
        _platform: &Platform,
        _cpu: &'static mut PerCpu<L>,
        _storage: Storage,
    ) -> bool {
        false
    }

    /// Starts to run what `block` names: not here, the test itself is the CPU.
    pub fn enter(&self, block: &CpuBlock) -> ! {
        block.set_stack_top(0);
        panic!("a hosted machine cannot leave the kernel")
    }
}
