//! The capability space of a task: 512 pages of 128 slots (abi/00).
//!
//! A slot names an object and the rights on it. All slots that name an object
//! are on that object's list, so that destroying the object empties them.
//! Slots are read without a lock; they are changed under the lock of the
//! object that they name, before or after the change.

use l4_abi::capability::OBJECT_SPACE_SLOTS;
use l4_abi::rights::CapabilityRights;
use machine::boxed::{KernelBox, OnceBox};
use machine::list::{Links, List, Node};
use machine::object::Slot;

use crate::cpu::Cpu;
use crate::memory::quota::QuotaRef;
use crate::memory::{KernelHeap, OutOfMemory};
use crate::object::{Common, Header, ObjectRef};

const PAGE_SLOTS: usize = 128;
const PAGES: usize = OBJECT_SPACE_SLOTS as usize / PAGE_SLOTS;

/// One slot.
#[derive(Default)]
pub struct Capability {
    /// The object, and a [`CapabilityRights`] beside it.
    object: Slot<Common>,
    siblings: Links<Capability>,
}

const _: () = assert!(size_of::<Capability>() == 32);

/// Chooses the node by which a slot is on its object's list.
pub struct Siblings;

impl Node<Capability> for Siblings {
    fn links(item: &Capability) -> &Links<Capability> {
        &item.siblings
    }
}

/// All slots that name one object.
pub type CapabilityList = List<Capability, Siblings>;

/// What a slot holds.
#[derive(Clone, Copy)]
pub struct Entry<'cpu> {
    /// The object.
    pub object: &'cpu Header,
    /// The rights on it.
    pub rights: CapabilityRights,
}

impl Capability {
    /// What the slot holds.
    #[inline]
    pub fn get<'cpu>(&self, cpu: &'cpu Cpu) -> Option<Entry<'cpu>> {
        let (object, rights) = self.object.get(cpu)?;
        Some(Entry {
            object,
            rights: CapabilityRights::from_bits_retain(rights),
        })
    }

    /// Fills the slot. False, and nothing is done, if it is not empty, or if
    /// the object is doomed: then nobody would empty the slot.
    pub fn fill(&self, object: &Header, rights: CapabilityRights) -> bool {
        let common = object.common();
        let list = common.capabilities.lock();
        if common.is_doomed() || self.object.fill(object.any_ref(), rights.bits()).is_err() {
            return false;
        }
        list.push_front(self);
        if rights.contains(CapabilityRights::COUNTED) {
            common.add_counted(1);
        }
        true
    }

    /// Empties the slot. Gives back what was there, and whether the object
    /// has lost its last counted capability by that.
    pub fn clear(&self, cpu: &Cpu) -> Option<(ObjectRef, bool)> {
        let common = self.object.get(cpu)?.0.common();
        let list = common.capabilities.lock();
        if !list.remove(self) {
            // Another CPU was faster.
            return None;
        }
        let (object, rights) = self.object.replace(None)?;
        let counted = rights & CapabilityRights::COUNTED.bits() != 0;
        let last = counted && common.add_counted(-1) <= 0;
        drop(list);
        Some((object, last))
    }

    /// Takes rights away.
    pub fn restrict(&self, cpu: &Cpu, lost: CapabilityRights) {
        let Some(entry) = self.get(cpu) else {
            return;
        };
        let list = entry.object.common().capabilities.lock();
        // While it is on the list it names the object, and nobody changes it.
        if let Some(now) = self.get(cpu).filter(|_| list.contains(self)) {
            self.object.set_bits(now.rights.difference(lost).bits());
        }
    }
}

/// A page of slots.
type Page = [Capability; PAGE_SLOTS];

/// The slots of one task.
pub struct CapabilitySpace {
    pages: OnceBox<[OnceBox<Page>; PAGES]>,
}

impl CapabilitySpace {
    /// A space without any memory yet.
    pub const fn new() -> Self {
        Self {
            pages: OnceBox::empty(),
        }
    }

    /// The slot `index`, if there is memory for it.
    #[inline]
    pub fn slot(&self, index: u64) -> Option<&Capability> {
        let index = usize::try_from(index).ok()?;
        let page = self.pages.get()?.get(index / PAGE_SLOTS)?.get()?;
        Some(&page[index % PAGE_SLOTS])
    }

    /// What slot `index` holds.
    #[inline]
    pub fn lookup<'cpu>(&self, cpu: &'cpu Cpu, index: u64) -> Option<Entry<'cpu>> {
        self.slot(index)?.get(cpu)
    }

    /// The slot `index`, with memory for it from `quota`.
    #[inline]
    pub fn make_slot(
        &self,
        heap: &KernelHeap,
        quota: QuotaRef,
        index: u64,
    ) -> Result<&Capability, OutOfMemory> {
        match self.slot(index) {
            Some(slot) => Ok(slot),
            None => self.make_page(heap, quota, index),
        }
    }

    #[cold]
    fn make_page(
        &self,
        heap: &KernelHeap,
        quota: QuotaRef,
        index: u64,
    ) -> Result<&Capability, OutOfMemory> {
        let index = usize::try_from(index).map_err(|_| OutOfMemory)?;
        if index >= PAGES * PAGE_SLOTS {
            return Err(OutOfMemory);
        }
        let pages = match self.pages.get() {
            Some(pages) => pages,
            None => install(&self.pages, heap, quota, |_| OnceBox::empty())?,
        };
        let place = &pages[index / PAGE_SLOTS];
        let page = match place.get() {
            Some(page) => page,
            None => install(place, heap, quota, |_| Capability::default())?,
        };
        Ok(&page[index % PAGE_SLOTS])
    }

    /// The slots `first` to `last` for which there is memory, with their numbers.
    #[inline]
    pub fn slots(&self, first: u64, last: u64) -> impl Iterator<Item = (u64, &Capability)> {
        let pages = self.pages.get();
        let mut next = first;
        core::iter::from_fn(move || {
            let pages = pages?;
            while next <= last {
                let index = usize::try_from(next).ok()?;
                if let Some(page) = pages.get(index / PAGE_SLOTS)?.get() {
                    next += 1;
                    return Some((index as u64, &page[index % PAGE_SLOTS]));
                }
                next = ((index | (PAGE_SLOTS - 1)) + 1) as u64;
            }
            None
        })
    }

    /// Gives all memory back. Every slot is empty.
    pub fn release(&mut self, heap: &KernelHeap, quota: QuotaRef) {
        if let Some(mut pages) = self.pages.take() {
            for index in 0..PAGES {
                if let Some(page) = pages[index].take() {
                    heap.free_charged(quota, page.into_storage());
                }
            }
            heap.free_charged(quota, pages.into_storage());
        }
    }
}

impl Default for CapabilitySpace {
    fn default() -> Self {
        Self::new()
    }
}

fn install<'a, T: 'static, const N: usize>(
    place: &'a OnceBox<[T; N]>,
    heap: &KernelHeap,
    quota: QuotaRef,
    element: impl Fn(usize) -> T,
) -> Result<&'a [T; N], OutOfMemory> {
    let storage = heap.allocate_charged(quota, size_of::<[T; N]>())?;
    let page = KernelBox::new_array(storage, element).map_err(|storage| {
        heap.free_charged(quota, storage);
        OutOfMemory
    })?;
    Ok(place.set(page).unwrap_or_else(|page| {
        // Another CPU was faster.
        heap.free_charged(quota, page.into_storage());
        place.get().expect("what was put first")
    }))
}
