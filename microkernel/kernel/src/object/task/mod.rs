//! Task: a memory space, a capability space, I/O ports, and the kernel-user
//! memory in which its threads' UTCBs are (abi/05 Task).

mod create;
mod loaded_space;
mod memory;
mod operations;
mod ports;

use core::sync::atomic::{AtomicU64, Ordering};

use l4_abi::flexpage::{Flexpage, Space};
use l4_abi::item::MapItem;
use machine::boxed::{KernelBox, OnceBox};

use crate::capability::{self, Capability, CapabilitySpace};
use crate::cpu::Cpu;
use crate::ipc::{ReplyPlace, reply};
use crate::kernel::Kernel;
use crate::memory::quota::QuotaRef;
use crate::memory::{KernelHeap, OutOfMemory};
use crate::trace;

pub use create::InitialTask;
pub use loaded_space::LoadedSpace;
pub use memory::{TaskMemory, map_page};
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
    /// Threads that are bound to it.
    threads: AtomicU64,
}

impl Task {
    fn new(quota: QuotaRef, memory: TaskMemory) -> Self {
        Self {
            quota,
            capabilities: CapabilitySpace::new(),
            reply_space: ReplySpace::new(),
            ports: TaskPorts::new(memory.is_physical()),
            memory,
            threads: AtomicU64::new(0),
        }
    }

    /// The capability slot `index`, with memory for it.
    pub fn make_slot(&self, cpu: &Cpu, index: u64) -> Result<&Capability, OutOfMemory> {
        self.capabilities
            .make_slot(&cpu.kernel.heap, self.quota, index)
    }

    /// Makes memory for the explicit reply slot `index`.
    pub fn make_reply_place(&self, cpu: &Cpu, index: u64) -> Result<(), OutOfMemory> {
        self.reply_space.make(cpu, self.quota, index)
    }

    /// What pays for everything that it has.
    pub fn quota(&self) -> QuotaRef {
        self.quota
    }

    /// How many threads are bound to it.
    pub fn thread_count(&self) -> u64 {
        self.threads.load(Ordering::Relaxed)
    }

    /// A thread is bound to it.
    pub fn thread_joined(&self) {
        self.threads.fetch_add(1, Ordering::Relaxed);
    }

    /// A thread that was bound to it is dead. When the last one is, nobody
    /// answers the callers in the explicit reply slots any more.
    pub fn thread_left(&self, cpu: &Cpu) {
        if self.threads.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.reply_space.clear(cpu);
        }
    }

    /// Its last capability is gone: its mappings are revoked. Threads in it
    /// go on until they fault. False if that has to pause; to be called again
    /// then.
    pub fn destroy(&self, cpu: &Cpu) -> bool {
        if !self.memory.revoke_all(cpu) {
            return false;
        }
        self.ports.revoke_all(cpu);
        capability::revoke_all(cpu, self);
        true
    }

    /// Gives back what is left when nothing refers to the task any more.
    pub fn release(&mut self, kernel: &Kernel) {
        self.capabilities.release(&kernel.heap, self.quota);
        self.reply_space.release(&kernel.heap, self.quota);
        self.memory.release(kernel);
        self.ports.release(kernel);
    }
}

/// Maps memory or I/O ports of an item from `source` to `window` in
/// `destination`. True if there was any.
pub fn map(
    cpu: &Cpu,
    source: &Task,
    destination: &Task,
    item: MapItem,
    window: Flexpage,
) -> Result<bool, OutOfMemory> {
    trace::map(cpu, item.flexpage, window);
    match item.space {
        Space::Memory => memory::map(cpu, source, destination, item, window),
        Space::IoPort => ports::map(cpu, source, destination, item, window),
        Space::Object => Ok(false),
    }
}

/// Slots in a page of the reply space, and pages.
const REPLY_PAGE: usize = 512;

type ReplyPage = [ReplyPlace; REPLY_PAGE];

/// The explicit reply slots of a task (abi/00: 2^18).
pub struct ReplySpace {
    pages: OnceBox<[OnceBox<ReplyPage>; REPLY_PAGE]>,
}

impl ReplySpace {
    const fn new() -> Self {
        Self {
            pages: OnceBox::empty(),
        }
    }

    /// The slot `index`, if there is memory for it.
    pub fn get(&self, index: u64) -> Option<&ReplyPlace> {
        let index = usize::try_from(index).ok()?;
        let page = self.pages.get()?.get(index / REPLY_PAGE)?.get()?;
        Some(&page[index % REPLY_PAGE])
    }

    fn make(&self, cpu: &Cpu, quota: QuotaRef, index: u64) -> Result<(), OutOfMemory> {
        let index = usize::try_from(index).map_err(|_| OutOfMemory)?;
        if index >= REPLY_PAGE * REPLY_PAGE {
            return Err(OutOfMemory);
        }
        let pages = match self.pages.get() {
            Some(pages) => pages,
            None => put(cpu, quota, &self.pages, |_| OnceBox::empty())?,
        };
        let place = &pages[index / REPLY_PAGE];
        if place.get().is_none() {
            put(cpu, quota, place, |_| ReplyPlace::new())?;
        }
        Ok(())
    }

    /// Ends the calls of all who wait for an answer through a slot.
    fn clear(&self, cpu: &Cpu) {
        let pages = self.pages.get().into_iter().flatten();
        for page in pages.filter_map(OnceBox::get) {
            for place in page {
                reply::lose_caller(cpu, place);
            }
        }
    }

    fn release(&mut self, heap: &KernelHeap, quota: QuotaRef) {
        let Some(mut pages) = self.pages.take() else {
            return;
        };
        for place in pages.iter_mut() {
            if let Some(page) = place.take() {
                heap.free_charged(quota, page.into_storage());
            }
        }
        heap.free_charged(quota, pages.into_storage());
    }
}

/// Puts an array in kernel memory that `quota` pays for into `place`.
fn put<'a, T: 'static, const N: usize>(
    cpu: &Cpu,
    quota: QuotaRef,
    place: &'a OnceBox<[T; N]>,
    element: impl Fn(usize) -> T,
) -> Result<&'a [T; N], OutOfMemory> {
    let heap = &cpu.kernel.heap;
    let storage = heap.allocate_charged(quota, size_of::<[T; N]>())?;
    let array = KernelBox::new_array(storage, element).map_err(|storage| {
        heap.free_charged(quota, storage);
        OutOfMemory
    })?;
    Ok(place.set(array).unwrap_or_else(|array| {
        // Another CPU was faster.
        heap.free_charged(quota, array.into_storage());
        place.get().expect("what was put first")
    }))
}

#[cfg(test)]
pub(crate) mod tests;
