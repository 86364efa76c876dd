//! What the kernel finds when it starts, and the structures in its image
//! that loaders look for (abi/07).

use core::mem::offset_of;
use core::ptr::NonNull;

use l4_abi::arch::x86_64::{KIP_MEMORY_DESCRIPTORS_OFFSET, KIP_STRINGS_OFFSET, KipHeader};

use super::console::Console;
use super::cpu::{self, Tables};
use super::platform::Platform;
use super::stacks::{self, STACK_SIZE};
use super::{isolation, paging, secondary, start, syscall, trap};
use crate::address::PhysicalAddress;
use crate::kip::KipPage;
use crate::memory::{FRAME_SIZE, KernelMemory, Storage};
use crate::options::{Options, OptionsBlock};
use crate::per_cpu::{CpuBlock, PerCpu};

/// Bytes of storage that [`Boot::start_cpu`] wants.
pub const CPU_STORAGE: usize = STACK_SIZE + size_of::<Tables>();

/// The kernel info page; program header type 0x10 covers it.
#[unsafe(link_section = ".kip")]
static KIP: KipPage = KipPage::in_image(
    KIP_MEMORY_DESCRIPTORS_OFFSET,
    KIP_STRINGS_OFFSET,
    b"Brio microkernel on amd64\0segments\0abiver:3\0mapdb\0pf_tramp\0",
);

/// The kernel options; program header type 0x11 covers them.
#[unsafe(link_section = ".options")]
static OPTIONS: OptionsBlock = OptionsBlock::unset();

/// The boot CPU's.
pub(super) static TABLES: Tables = Tables::new();

unsafe extern "C" {
    /// The kernel's part, see [`upcalls!`](crate::upcalls).
    fn brio_start(boot: *mut Boot) -> !;
}

/// Continues in Rust: the rest of the machine's own start. Once, on the boot
/// CPU's stack.
pub(super) unsafe extern "C" fn main() -> ! {
    Console::find().initialise();
    isolation::initialise();
    trap::fill_table();
    cpu::initialise();
    paging::initialise();
    cpu::load(&TABLES, 0);
    let mut boot = Boot(());
    // SAFETY: the kernel's entry, called once.
    unsafe { brio_start(&mut boot) }
}

/// What the loader took from the kernel's command line.
pub(super) fn options() -> Options {
    OPTIONS.read()
}

/// What the kernel finds when it starts.
#[repr(C)]
pub struct Boot(());

impl Boot {
    /// The kernel info page.
    pub fn kip(&self) -> &'static KipPage {
        &KIP
    }

    /// Its physical address.
    pub fn kip_physical(&self) -> PhysicalAddress {
        PhysicalAddress::new(&raw const KIP as u64 - paging::IMAGE_OFFSET)
    }

    /// What the loader took from the kernel's command line.
    pub fn options(&self) -> Options {
        options()
    }

    /// Maps the kernel's memory: `frames` frames at `physical`, of which some
    /// at the end become page tables.
    ///
    /// # Safety
    /// It is RAM, aligned as [`KernelMemory::new`] wants, that nobody else
    /// uses. Once.
    pub unsafe fn map_kernel_memory(
        &mut self,
        physical: PhysicalAddress,
        frames: usize,
    ) -> KernelMemory {
        let bytes = (frames * FRAME_SIZE) as u64;
        // SAFETY: promised by the caller.
        let mapped = unsafe { paging::map_window(physical.as_u64(), bytes) };
        let start = (paging::WINDOW_OFFSET + physical.as_u64()) as *mut u8;
        let start = NonNull::new(start).expect("the window is not at 0");
        // SAFETY: mapped just now; the rest is promised by the caller.
        unsafe { KernelMemory::new(start, physical, mapped as usize / FRAME_SIZE) }
    }

    /// The devices that the kernel drives, which ACPI tells. Once.
    ///
    /// # Panics
    /// If there is no usable timer.
    pub fn platform(&mut self) -> Platform {
        Platform::new(KIP.word(offset_of!(KipHeader, acpi_rsdp)))
    }

    /// Lets another CPU run, from `brio_start_cpu` on, with `cpu` and
    /// with a stack and tables in `storage`, which has [`CPU_STORAGE`] bytes.
    /// Waits for it. False if it does not start; the memory is lost then.
    pub fn start_cpu<L: 'static>(
        &mut self,
        platform: &Platform,
        cpu: &'static mut PerCpu<L>,
        storage: Storage,
    ) -> bool {
        let block = PerCpu::block(cpu);
        let (stack, tables) = storage.split(STACK_SIZE);
        let stack = stack.address() as u64 - paging::WINDOW_OFFSET;
        block.set_stack_top(stacks::map(block.id(), stack));
        block.arch.tables.set(Tables::copy(&TABLES, tables));
        secondary::start(&KIP, platform, block)
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
