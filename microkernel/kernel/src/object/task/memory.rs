//! The memory of a task: its address space.

use l4_abi::error::ResultCode;
use l4_abi::flexpage::{Flexpage, PAGE_ORDER};
use l4_abi::protocol::task::UnmapMask;
use machine::address::PhysicalAddress;
use machine::entry_format::Format;
use machine::memory::{Shared, SharedPointer};
use machine::paging;

use crate::cpu::Cpu;
use crate::kernel::Kernel;
use crate::mapping::memory_space::{self, MemorySpace, SpaceRef};
use crate::mapping::unmap::{Scope, Unmap};
use crate::mapping::{Context, Flush, kernel_user_memory, teardown};
use crate::memory::quota::QuotaRef;
use crate::memory::{KernelHeap, OutOfMemory};

/// What a task's memory is for.
#[derive(Clone, Copy, Debug)]
pub enum MemoryKind {
    /// What is mapped to it, for its threads.
    Task,
    /// sigma0's: all there is, at its physical address.
    Physical,
    /// That of a virtual machine, in a page table without the kernel's part:
    /// no thread can be in it.
    Guest(Format),
}

/// The memory of a task.
pub struct TaskMemory {
    space: SpaceRef,
    kind: MemoryKind,
}

impl TaskMemory {
    /// New memory of this kind.
    pub fn new(cpu: &Cpu, quota: QuotaRef, kind: MemoryKind) -> Result<Self, OutOfMemory> {
        let heap = &cpu.kernel.heap;
        let (format, tasks) = (paging::format(), paging::prepare_root);
        let space = match kind {
            MemoryKind::Task => MemorySpace::new(heap, quota, format, false, tasks),
            MemoryKind::Physical => MemorySpace::new(heap, quota, format, true, tasks),
            MemoryKind::Guest(format) => MemorySpace::new(heap, quota, format, false, |_| ()),
        }?;
        Ok(Self { space, kind })
    }

    /// The address space.
    pub fn space(&self) -> SpaceRef {
        self.space
    }

    /// True for sigma0, whose faults the kernel resolves itself.
    pub fn is_physical(&self) -> bool {
        matches!(self.kind, MemoryKind::Physical)
    }

    /// True for a virtual machine's, in which no thread can be.
    pub fn is_guest(&self) -> bool {
        matches!(self.kind, MemoryKind::Guest(_))
    }

    /// True once the task is being destroyed.
    pub fn is_closed(&self) -> bool {
        self.space.is_closed()
    }

    /// Gives sigma0 the page at `address`. False if there can be none.
    pub fn map_identity(&self, cpu: &Cpu, address: u64) -> bool {
        let (heap, mappings) = (&cpu.kernel.heap, &cpu.kernel.mappings);
        memory_space::handle_root_fault(self.space, heap, mappings, address) == Ok(true)
    }

    /// Prepares to revoke memory (abi/03 §5).
    pub fn prepare_unmap(&self, flexpage: Flexpage, mask: UnmapMask) -> Unmap {
        Unmap::new(self.space, flexpage, Scope::of(mask))
    }

    /// Goes on adding kernel-user memory. `None`: there is more to do.
    pub fn add_kernel_user_memory(
        &self,
        cpu: &Cpu,
        area: Flexpage,
    ) -> Option<Result<(), ResultCode>> {
        if self.is_guest() {
            return Some(Err(ResultCode::ENOSYS));
        }
        let (heap, mappings) = (&cpu.kernel.heap, &cpu.kernel.mappings);
        kernel_user_memory::add(self.space, heap, mappings, area).transpose()
    }

    /// Adds the page of a device.
    pub fn add_device(&self, cpu: &Cpu, at: Flexpage, physical: u64) -> Result<(), ResultCode> {
        let (heap, mappings) = (&cpu.kernel.heap, &cpu.kernel.mappings);
        let physical = PhysicalAddress::new(physical);
        kernel_user_memory::add_device(self.space, heap, mappings, at, physical)
    }

    /// The `T` at `address`, if it is inside one chunk of kernel-user memory.
    pub fn find_shared<T: Shared>(&self, cpu: &Cpu, address: u64) -> Option<SharedPointer<T>> {
        kernel_user_memory::find(self.space, &cpu.kernel.mappings, address)
    }

    /// Gives back a part of the page tables and the kernel-user memory; false
    /// if nothing is left, and this is not to be called again. Nothing refers to
    /// the task any more.
    pub fn release_part(&self, heap: &KernelHeap) -> bool {
        teardown::release_part(self.space, heap)
    }
}

pub(super) fn context<'a, F>(kernel: &'a Kernel, flush: &'a mut F) -> Context<'a, F> {
    Context {
        heap: &kernel.heap,
        mappings: &kernel.mappings,
        flush,
    }
}

/// Forgets translations on all CPUs.
pub(super) struct CpuFlush<'cpu>(pub(super) &'cpu Cpu);

impl Flush for CpuFlush<'_> {
    fn page(&mut self, space: &MemorySpace, address: u64, order: u32) {
        let is_single = order == PAGE_ORDER;
        self.0.space.forget(self.0, space, address, is_single);
    }

    #[inline(always)]
    fn commit(&mut self) {
        self.0.space.wait(self.0);
    }
}
