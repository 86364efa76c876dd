//! What the kernel finds when it starts, and the structures in its image
//! that loaders look for (abi/07).

use core::ptr::NonNull;

use l4_abi::arch::aarch64::{KIP_MEMORY_DESCRIPTORS_OFFSET, KIP_STRINGS_OFFSET};

use super::kernel_space::{Access, KernelSpace};
use super::platform::{Devices, Platform};
use super::stacks::{self, STACK_SIZE};
use super::{cpu, secondary, start, syscall};
use crate::address::PhysicalAddress;
use crate::kip::KipPage;
use crate::memory::{FRAME_SIZE, KernelMemory, Storage};
use crate::options::{Options, OptionsBlock};
use crate::per_cpu::{CpuBlock, PerCpu};

/// Bytes of storage that [`Boot::start_cpu`] wants.
pub const CPU_STORAGE: usize = STACK_SIZE;

/// The kernel info page; program header type 0x10 covers it.
#[unsafe(link_section = ".kip")]
static KIP: KipPage = KipPage::in_image(
    KIP_MEMORY_DESCRIPTORS_OFFSET,
    KIP_STRINGS_OFFSET,
    b"Brio microkernel on arm64\0abiver:3\0mapdb\0pf_tramp\0arm:hyp\0",
);

/// The kernel options; program header type 0x11 covers them.
#[unsafe(link_section = ".options")]
static OPTIONS: OptionsBlock = OptionsBlock::unset();

/// What the kernel finds when it starts.
pub struct Boot {
    pub(super) space: KernelSpace,
    pub(super) devices: Devices,
}

impl Boot {
    pub(super) fn new(space: KernelSpace) -> Self {
        Self {
            space,
            devices: Devices::NONE,
        }
    }

    /// The kernel info page.
    pub fn kip(&self) -> &'static KipPage {
        &KIP
    }

    /// Its physical address.
    pub fn kip_physical(&self) -> PhysicalAddress {
        PhysicalAddress::new(&raw const KIP as u64)
    }

    /// What the loader took from the kernel's command line.
    pub fn options(&self) -> Options {
        OPTIONS.read()
    }

    /// Maps the kernel's memory: `frames` frames at `physical`.
    ///
    /// # Safety
    /// It is RAM, aligned as [`KernelMemory::new`] wants, that nobody else
    /// uses. Once.
    pub unsafe fn map_kernel_memory(
        &mut self,
        physical: PhysicalAddress,
        frames: usize,
    ) -> KernelMemory {
        let address = physical.as_u64();
        self.space
            .map(address, (frames * FRAME_SIZE) as u64, Access::Data);
        let start = NonNull::new(address as *mut u8).expect("kernel memory is not at 0");
        // SAFETY: mapped just now; the rest is promised by the caller.
        unsafe { KernelMemory::new(start, physical, frames) }
    }

    /// The devices that the kernel drives, which the device tree tells. Once.
    ///
    /// # Panics
    /// If there is no device tree, or it lacks something that the kernel
    /// cannot do without.
    pub fn platform(&mut self) -> Platform {
        Platform::new(self)
    }

    /// Lets another CPU run, from `brio_start_cpu` on, with `cpu` and
    /// with a stack in `storage`, which has [`CPU_STORAGE`] bytes. Waits for
    /// it. False if it does not start; the memory is lost then.
    pub fn start_cpu<L: 'static>(
        &mut self,
        platform: &Platform,
        cpu: &'static mut PerCpu<L>,
        storage: Storage,
    ) -> bool {
        let block = PerCpu::block(cpu);
        let stack = storage.address() as u64;
        block.set_stack_top(stacks::map(&mut self.space, block.id(), stack));
        secondary::start(platform, block)
    }

    /// Makes `block` that of this CPU, the boot CPU, and leaves the kernel to
    /// what it names.
    pub fn enter(&self, block: &CpuBlock) -> ! {
        block.set_stack_top(start::stack_top());
        cpu::attach(block);
        // SAFETY: the block stays as long as the CPU runs; it names a thread
        // or none, and nothing on this stack is used any more.
        unsafe { syscall::leave() }
    }
}

/// Makes what was written to the page visible to instruction fetches.
pub(super) fn clean_code(page: &KipPage) {
    let start = core::ptr::from_ref(page) as u64;
    let line = 4 << (read_register!("ctr_el0") >> 16 & 0xf);
    for address in (start..start + FRAME_SIZE as u64).step_by(line) {
        // SAFETY: cleans a line of memory that is mapped.
        unsafe {
            core::arch::asm!("dc cvau, {}", in(reg) address, options(nostack, preserves_flags));
        }
    }
    barrier!("dsb ish");
    barrier!("ic ialluis");
    barrier!("dsb ish");
    barrier!("isb");
}
