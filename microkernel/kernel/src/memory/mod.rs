//! Kernel memory: who has how much of it.
//!
//! [`KernelHeap`] hands out storage: small blocks from `slab`s, larger ones as whole frames from
//! the buddy system. What is allocated for a user is charged to a [`quota`]. The heap holds the one
//! [`KernelMemory`], so it is the one place that turns numbers of frames and blocks into memory.
//!
//! Lock order: slabs before frames. Both are held for a few dozen instructions.

#[cfg(any(test, feature = "debugger"))]
mod inspect;
pub mod quota;
mod slab;
pub mod sparse_array;

use core::sync::atomic::{AtomicUsize, Ordering};

use buddy::Buddy;
use l4_abi::error::ResultCode;
use machine::handle::Handle;
use machine::lock::Lock;
use machine::memory::{FRAME_ORDER, FRAME_SIZE, KernelMemory, Storage, Window};

use quota::{Quota, QuotaRef};
use slab::{Class, Place, Slab, Slabs};

/// There is no kernel memory left, or none left in the quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory;

impl From<OutOfMemory> for ResultCode {
    fn from(_: OutOfMemory) -> Self {
        ResultCode::ENOMEM
    }
}

/// All kernel memory that is not part of the kernel's image.
pub struct KernelHeap {
    slabs: Lock<Slabs>,
    frames: Lock<Buddy<&'static mut [u64]>>,
    /// Bytes handed out, in the sizes that are charged.
    used: AtomicUsize,
    /// Dropped last: everything above lives in it.
    memory: KernelMemory,
}

impl KernelHeap {
    /// Puts the books at the start of `memory`; the rest is free.
    pub fn new(memory: KernelMemory) -> Result<KernelHeap, OutOfMemory> {
        let frames = memory.frames();
        let slab_books = Slabs::size_of_books(frames).next_multiple_of(FRAME_SIZE);
        let frame_books =
            (buddy::words_needed(frames) * size_of::<u64>()).next_multiple_of(FRAME_SIZE);
        let books = slab_books + frame_books;
        if books >= frames * FRAME_SIZE {
            return Err(OutOfMemory);
        }
        let slabs = (memory.claim(0, slab_books)).into_slice(|_| Slab::UNUSED);
        let words = (memory.claim(slab_books, frame_books)).into_slice(|_| 0);
        let mut free = Buddy::new(words, frames);
        let first_free = books / FRAME_SIZE;
        free.free_range(first_free, frames - first_free);
        Ok(KernelHeap {
            slabs: Lock::new(Slabs::new(slabs)),
            frames: Lock::new(free),
            used: AtomicUsize::new(0),
            memory,
        })
    }

    /// Where the memory is, physically and for the kernel.
    pub fn window(&self) -> Window {
        self.memory.window()
    }

    /// What storage of `size` bytes really takes and is charged, in bytes.
    #[inline(always)]
    pub fn charge_for(size: usize) -> usize {
        match Class::of(size) {
            Some(class) => class.size(),
            None => size
                .checked_next_power_of_two()
                .unwrap_or(usize::MAX)
                .max(FRAME_SIZE),
        }
    }

    /// Storage of `size` bytes with any content, aligned to its size if that is a power of two,
    /// up to 2 MiB.
    #[inline(always)]
    pub fn allocate(&self, size: usize) -> Result<Storage, OutOfMemory> {
        let offset = match Class::of(size) {
            Some(class) => self.allocate_block(class)?,
            None => {
                let frame = self.allocate_frames(frame_order(size));
                frame.ok_or(OutOfMemory)? * FRAME_SIZE
            }
        };
        self.used
            .fetch_add(Self::charge_for(size), Ordering::Relaxed);
        Ok(self.memory.claim(offset, size))
    }

    /// The offset of a block.
    #[inline(always)]
    fn allocate_block(&self, class: Class) -> Result<usize, OutOfMemory> {
        let mut slabs = self.slabs.lock();
        let place = match slabs.allocate(class) {
            Some(place) => place,
            None => self.allocate_in_new_slab(&mut slabs, class)?,
        };
        Ok(place.frame * FRAME_SIZE + place.block * class.size())
    }

    #[cold]
    fn allocate_in_new_slab(&self, slabs: &mut Slabs, class: Class) -> Result<Place, OutOfMemory> {
        let frame = match self.frames.lock().allocate(0) {
            Some(frame) => frame,
            None => slabs.take_unused().ok_or(OutOfMemory)?,
        };
        slabs.add(class, frame);
        slabs.allocate(class).ok_or(OutOfMemory)
    }

    /// Frames, if need be those that slabs keep at hand.
    #[cold]
    fn allocate_frames(&self, order: u32) -> Option<usize> {
        if let Some(frame) = self.frames.lock().allocate(order) {
            return Some(frame);
        }
        let mut slabs = self.slabs.lock();
        let mut frames = self.frames.lock();
        while let Some(frame) = slabs.take_unused() {
            frames.free(frame, 0);
        }
        frames.allocate(order)
    }

    /// Takes storage back.
    #[inline(always)]
    pub fn free(&self, storage: Storage) {
        let (offset, size) = self.memory.reclaim(storage);
        self.used
            .fetch_sub(Self::charge_for(size), Ordering::Relaxed);
        let frame = offset / FRAME_SIZE;
        let Some(class) = Class::of(size) else {
            self.frames.lock().free(frame, frame_order(size));
            return;
        };
        let place = Place {
            frame,
            block: offset % FRAME_SIZE / class.size(),
        };
        let mut slabs = self.slabs.lock();
        if let Some(frame) = slabs.free(class, place) {
            self.frames.lock().free(frame, 0);
        }
    }

    /// As [`KernelHeap::allocate`], at the cost of `quota`.
    #[inline(always)]
    pub fn allocate_charged(&self, quota: QuotaRef, size: usize) -> Result<Storage, OutOfMemory> {
        let charge = Self::charge_for(size) as u64;
        quota.charge(charge)?;
        self.allocate(size)
            .inspect_err(|_| self.credit(quota, charge))
    }

    /// Takes storage back that was charged to `quota`. The quota may be gone afterwards.
    #[inline(always)]
    pub fn free_charged(&self, quota: QuotaRef, storage: Storage) {
        let charge = Self::charge_for(storage.size()) as u64;
        self.free(storage);
        self.credit(quota, charge);
    }

    /// Charges `to` with `bytes` that were charged to `from`, as [`KernelHeap::charge_for`] says.
    pub fn transfer_charge(
        &self,
        bytes: usize,
        from: QuotaRef,
        to: QuotaRef,
    ) -> Result<(), OutOfMemory> {
        if from != to {
            to.charge(bytes as u64)?;
            self.credit(from, bytes as u64);
        }
        Ok(())
    }

    /// The quota of the root factory.
    pub fn new_root_quota(&self) -> Result<QuotaRef, OutOfMemory> {
        Ok(Handle::new(
            self.allocate(size_of::<Quota>())?,
            Quota::root(),
        ))
    }

    /// A quota of `limit` bytes, which it takes from `parent` together with its own size.
    /// A limit of zero is refused.
    pub fn new_quota(&self, parent: QuotaRef, limit: u64) -> Result<QuotaRef, OutOfMemory> {
        let own_size = Self::quota_size();
        let storage = self.allocate(size_of::<Quota>())?;
        match Quota::split_off(parent, limit, own_size) {
            Ok(quota) => Ok(Handle::new(storage, quota)),
            Err(OutOfMemory) => {
                self.free(storage);
                Err(OutOfMemory)
            }
        }
    }

    /// The quota's factory goes. The quota stays for as long as something is charged to it, but
    /// takes no new charges.
    pub fn close_quota(&self, quota: QuotaRef) {
        if quota.close() {
            self.free_quotas(quota);
        }
    }

    fn credit(&self, quota: QuotaRef, bytes: u64) {
        if quota.credit(bytes) {
            self.free_quotas(quota);
        }
    }

    /// Frees a quota, then the ancestors that it was the last use of; their number is limited.
    #[cold]
    fn free_quotas(&self, quota: QuotaRef) {
        let mut next = Some(quota);
        while let Some(quota) = next {
            let taken = quota.taken_from(Self::quota_size());
            self.free(Handle::into_storage(quota, size_of::<Quota>()));
            next = taken.and_then(|(parent, bytes)| parent.credit(bytes).then_some(parent));
        }
    }

    fn quota_size() -> u64 {
        Self::charge_for(size_of::<Quota>()) as u64
    }
}

/// The order of the frame block for `size` bytes.
fn frame_order(size: usize) -> u32 {
    size.div_ceil(1 << FRAME_ORDER)
        .checked_next_power_of_two()
        .map_or(u32::MAX, usize::ilog2)
}

#[cfg(test)]
pub(crate) mod tests;
