//! Segment descriptors of a task (SDM 3.5.1, the LDT; abi/05 ldt_set).
//!
//! Each CPU reads a copy of its own, which lies where isolated user mode has it too, and which it
//! makes when it loads the task's space or is told that there is something new. So nobody changes
//! what a CPU is reading, and nothing of the task is in use when that ends. Any change of the copy
//! is followed by loading the selectors of the thread that is loaded: none of them is in the CPU
//! that could not be loaded once more.

use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use l4_abi::arch::x86_64::segment::LOCAL_DESCRIPTORS;
use l4_abi::error::ResultCode;

use super::context::{Context, is_user_segment};
use super::cpu::selector;
use super::ports;
use super::tlb::{Residence, SPECIAL};
use crate::memory::Storage;
use crate::once_array::OnceArray;
use crate::per_cpu::CpuBlock;

/// The descriptors of a task.
pub(super) type Table = OnceArray<AtomicU64, LOCAL_DESCRIPTORS>;

static NONE: [AtomicU64; LOCAL_DESCRIPTORS] = [const { AtomicU64::new(0) }; LOCAL_DESCRIPTORS];

/// None yet.
pub(super) const fn none() -> Table {
    OnceArray::empty(&NONE)
}

impl Residence {
    /// Sets descriptors: `words` are the request, `allocate` gives memory if there are none yet.
    /// They are in force when all CPUs have forgotten more than one page. Gives back memory that
    /// was not needed.
    pub fn set_descriptors(
        &self,
        words: &[u64],
        allocate: impl FnOnce(usize) -> Result<Storage, ResultCode>,
    ) -> Result<Option<Storage>, ResultCode> {
        let &[_, first, ref new @ ..] = words else {
            return Err(ResultCode::EINVAL);
        };
        let is_inside = first.saturating_add(new.len() as u64) <= LOCAL_DESCRIPTORS as u64;
        if new.is_empty() || !is_inside || !new.iter().copied().all(is_user_segment) {
            return Err(ResultCode::EINVAL);
        }
        let mut spare = None;
        if !self.has_descriptors() {
            let storage = allocate(size_of_val(&NONE))?;
            spare = (self.descriptors.fill(&NONE, storage, |_| AtomicU64::new(0))).err();
        }
        for (place, &descriptor) in self.descriptors.get()[first as usize..].iter().zip(new) {
            place.store(descriptor, Relaxed);
        }
        self.id.store(SPECIAL, Relaxed);
        Ok(spare)
    }

    /// The memory of the descriptors, for the end.
    pub fn take_descriptors(&mut self) -> Option<Storage> {
        self.descriptors.take(&NONE)
    }

    fn has_descriptors(&self) -> bool {
        !core::ptr::eq(self.descriptors.get(), &NONE)
    }
}

/// Lets user mode on this CPU have the descriptors of the space, if there are any.
pub(super) fn load(cpu: &CpuBlock, space: &Residence) {
    if space.has_descriptors() {
        let copy = &cpu.arch.tables().local_descriptors;
        for (live, own) in copy.iter().zip(space.descriptors.get()) {
            live.set(own.load(Relaxed));
        }
        select(cpu, selector::LOCAL_TABLE);
    }
}

/// The same for the space that user mode has now.
pub(super) fn renew(cpu: &CpuBlock, space: &Residence) {
    if let Some(context) = Context::loaded(cpu) {
        context.save_live();
    }
    load(cpu, space);
}

/// Lets user mode on this CPU have no descriptors and no ports. Due when another task is loaded.
#[inline(always)]
pub(super) fn leave(cpu: &CpuBlock) {
    if cpu.arch.has_more.get() {
        select(cpu, 0);
    }
}

/// Loads LDTR, and the selectors of the thread that is loaded. It has to ask for ports once more.
#[cold]
#[inline(never)]
fn select(cpu: &CpuBlock, table: u16) {
    ports::forbid(cpu);
    cpu.arch.has_more.set(table != 0);
    // SAFETY: the CPU's own table, or none.
    unsafe { asm!("lldt {:x}", in(reg) table, options(nostack, preserves_flags)) };
    if let Some(context) = Context::loaded(cpu) {
        context.load_segments(cpu);
    }
}
