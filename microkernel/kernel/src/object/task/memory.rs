//! The memory of a task: its address space.

use l4_abi::error::ResultCode;
use l4_abi::flexpage::Flexpage;
use l4_abi::item::MapItem;
use l4_abi::protocol::task::UnmapMask;
use machine::utcb::{Utcb, UtcbPointer};
use machine::{paging, tlb};

use super::Task;
use crate::cpu::Cpu;
use crate::kernel::Kernel;
use crate::mapping::kernel_user_memory::{self, AddError};
use crate::mapping::map::Map;
use crate::mapping::memory_space::{self, MemorySpace, Origin, SpaceRef};
use crate::mapping::teardown::Teardown;
use crate::mapping::unmap::{Scope, Unmap};
use crate::mapping::{Context, Flush, Progress};
use crate::memory::OutOfMemory;
use crate::memory::quota::QuotaRef;
use crate::object::Fail;

/// The memory of a task.
pub struct TaskMemory {
    space: SpaceRef,
    is_physical: bool,
}

impl TaskMemory {
    /// No memory; or, `is_physical`, all there is at its physical address.
    pub fn new(cpu: &Cpu, quota: QuotaRef, is_physical: bool) -> Result<Self, OutOfMemory> {
        let origin = if is_physical {
            Origin::Physical
        } else {
            Origin::Mapped
        };
        let heap = &cpu.kernel.heap;
        let format = paging::format();
        let space = MemorySpace::new(heap, quota, format, origin, paging::prepare_root)?;
        Ok(Self { space, is_physical })
    }

    /// The address space.
    pub fn space(&self) -> SpaceRef {
        self.space
    }

    /// True for sigma0, whose faults the kernel resolves itself.
    pub fn is_physical(&self) -> bool {
        self.is_physical
    }

    /// True once the task is being destroyed.
    pub fn is_closed(&self) -> bool {
        self.space.is_closed()
    }

    /// Gives sigma0 the page at `address`. False if there can be none.
    pub fn map_identity(&self, cpu: &Cpu, address: u64) -> bool {
        let kernel = cpu.kernel;
        let mapped =
            memory_space::handle_root_fault(self.space, &kernel.heap, &kernel.mappings, address);
        mapped == Ok(true)
    }

    /// Revokes memory; what hardware noted about it (abi/03 §5).
    pub fn unmap(&self, cpu: &Cpu, flexpage: Flexpage, mask: UnmapMask) -> u8 {
        let scope = if mask.includes_own() {
            Scope::All
        } else {
            Scope::Descendants
        };
        self.run_unmap(cpu, Unmap::new(self.space, flexpage, scope))
    }

    fn run_unmap(&self, cpu: &Cpu, mut unmap: Unmap) -> u8 {
        let mut flush = CpuFlush { cpu };
        let mut context = context(cpu, &mut flush);
        loop {
            if let Progress::Done(access) = unmap.run(&mut context, &cpu.cursor) {
                return access.bits();
            }
        }
    }

    /// Adds kernel-user memory.
    pub fn add_kernel_user_memory(&self, cpu: &Cpu, area: Flexpage) -> Result<(), Fail> {
        let mut flush = CpuFlush { cpu };
        match kernel_user_memory::add(self.space, &context(cpu, &mut flush), area) {
            Ok(_) => Ok(()),
            Err(AddError::Invalid) => Err(ResultCode::EINVAL.into()),
            Err(AddError::Occupied) => Err(ResultCode::EEXIST.into()),
            Err(AddError::OutOfMemory) => Err(ResultCode::ENOMEM.into()),
        }
    }

    /// The UTCB at `address`, if it is inside one chunk of kernel-user
    /// memory.
    pub fn find_utcb(&self, cpu: &Cpu, address: u64) -> Option<UtcbPointer> {
        kernel_user_memory::find::<Utcb>(self.space, &cpu.kernel.mappings, address)
    }

    /// The task is being destroyed: its memory goes, and what was mapped from
    /// it.
    pub fn revoke_all(&self, cpu: &Cpu) {
        self.space.close();
        self.run_unmap(cpu, Unmap::everything(self.space));
    }

    /// Gives back the page tables and the kernel-user memory. Nothing refers
    /// to the task any more.
    pub fn release(&mut self, kernel: &Kernel) {
        let mut context = Context {
            heap: &kernel.heap,
            mappings: &kernel.mappings,
            flush: &mut (),
        };
        let mut teardown = Teardown::new(self.space);
        while teardown.run(&mut context) == Progress::More {}
    }
}

fn context<'a, 'cpu>(cpu: &'cpu Cpu, flush: &'a mut CpuFlush<'cpu>) -> Context<'a, CpuFlush<'cpu>>
where
    'cpu: 'a,
{
    Context {
        heap: &cpu.kernel.heap,
        mappings: &cpu.kernel.mappings,
        flush,
    }
}

/// Maps memory of an item from `source` to `window` in `destination`. True if
/// there was any.
pub(super) fn map(
    cpu: &Cpu,
    source: &Task,
    destination: &Task,
    item: MapItem,
    window: Flexpage,
) -> Result<bool, OutOfMemory> {
    let (from, to) = (source.memory.space, destination.memory.space);
    let mut map = Map::new(from, to, item.control, item.flexpage, window);
    let mut flush = CpuFlush { cpu };
    let mut context = context(cpu, &mut flush);
    loop {
        if let Progress::Done(any) = map.run(&mut context, &cpu.cursor)? {
            return Ok(any);
        }
    }
}

/// Forgets translations in the CPU's TLB.
struct CpuFlush<'cpu> {
    cpu: &'cpu Cpu,
}

impl Flush for CpuFlush<'_> {
    fn page(&mut self, space: &MemorySpace, address: u64, order: u32) {
        let Some(id) = self.cpu.space.id_of(self.cpu, space) else {
            return;
        };
        if order == PAGE_ORDER {
            tlb::flush_page(address, id);
        } else {
            tlb::flush_all(id);
        }
    }

    fn commit(&mut self) {}
}

const PAGE_ORDER: u32 = 12;
