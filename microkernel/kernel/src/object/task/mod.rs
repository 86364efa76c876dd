//! Task: a memory space, a capability space, I/O ports, and the kernel-user
//! memory in which its threads' UTCBs are (abi/05 Task).

mod create;
mod end;
#[cfg(feature = "fast-paths")]
pub mod fast;
mod loaded_space;
mod mapping;
mod memory;
mod operations;
mod ports;

use machine::lock::Lock;
use machine::once_array::OnceArray;

use crate::capability::{self, Capability, CapabilitySpace};
use crate::cpu::Cpu;
use crate::ipc::ReplyPlace;
use crate::mapping::Cursor;
use crate::memory::OutOfMemory;
use crate::memory::quota::QuotaRef;
use crate::memory::sparse_array::SparseArray;

pub use loaded_space::LoadedSpace;
pub use mapping::{Mapping, Revocation};
pub use memory::{MemoryKind, TaskMemory};
pub use ports::TaskPorts;

/// A task.
pub struct Task {
    /// Pays for everything that the task has.
    quota: QuotaRef,
    /// Its capabilities.
    pub capabilities: CapabilitySpace,
    /// Its explicit reply capabilities.
    pub reply_space: ReplySpace,
    /// Its memory.
    pub memory: TaskMemory,
    /// Its I/O ports.
    pub ports: TaskPorts,
    /// How far its end is.
    end: Lock<Option<Revocation>>,
    /// Where that is in the mapping tree.
    cursor: Cursor,
}

/// The explicit reply slots of a task (abi/00: 2^18).
pub type ReplySpace = SparseArray<ReplyPlace, 512, 512>;

static NO_PAGE: [ReplyPlace; 512] = [const { ReplyPlace::new() }; 512];
static NO_PAGES: [OnceArray<ReplyPlace, 512>; 512] = [const { OnceArray::empty(&NO_PAGE) }; 512];

impl Task {
    fn new(quota: QuotaRef, memory: TaskMemory) -> Self {
        Self {
            quota,
            capabilities: CapabilitySpace::new(&capability::NO_PAGES),
            reply_space: ReplySpace::new(&NO_PAGES),
            ports: TaskPorts::new(),
            memory,
            end: Lock::new(None),
            cursor: Cursor::new(),
        }
    }

    /// The capability slot `index`, with memory for it.
    #[inline(always)]
    pub fn make_slot(&self, cpu: &Cpu, index: u64) -> Result<&Capability, OutOfMemory> {
        self.capabilities.make(&cpu.kernel.heap, self.quota, index)
    }

    /// Makes memory for the explicit reply slot `index`.
    pub fn make_reply_place(&self, cpu: &Cpu, index: u64) -> Result<(), OutOfMemory> {
        let heap = &cpu.kernel.heap;
        self.reply_space.make(heap, self.quota, index).map(|_| ())
    }

    /// What pays for everything that it has.
    pub fn quota(&self) -> QuotaRef {
        self.quota
    }
}

#[cfg(test)]
pub(crate) mod tests;
