//! The capability space of a task: 512 pages of 128 slots (abi/00).
//!
//! A slot names an object and the rights on it. All slots that name an object
//! are on that object's list, so that destroying the object empties them.
//! Slots are read without a lock; they are changed under the lock of the
//! object that they name, before or after the change.

use l4_abi::capability::OBJECT_SPACE_SLOTS;
use l4_abi::rights::CapabilityRights;
use machine::list::{Links, List, Node};
use machine::object::Slot;
use machine::once_array::OnceArray;

use crate::cpu::Cpu;
use crate::memory::sparse_array::SparseArray;
use crate::object::{Common, Header, ObjectRef};

const PAGE_SLOTS: usize = 128;
const PAGES: usize = OBJECT_SPACE_SLOTS as usize / PAGE_SLOTS;

/// One slot.
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

impl Default for Capability {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl Capability {
    #[expect(clippy::declare_interior_mutable_const, reason = "it is copied")]
    const EMPTY: Self = Self {
        object: Slot::empty(),
        siblings: Links::new(),
    };

    /// What the slot holds.
    pub fn get<'cpu>(&self, cpu: &'cpu Cpu) -> Option<Entry<'cpu>> {
        let (object, rights) = self.object.get(cpu)?;
        Some(Entry {
            object,
            rights: CapabilityRights::from_bits_retain(rights),
        })
    }

    /// Fills the slot. False, and nothing is done, if it is not empty, or if
    /// the object is doomed: then nobody would empty the slot.
    #[inline(always)]
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

    /// Empties the slot, if it names `object`. Gives back what was there, and
    /// whether the object has lost its last counted capability by that.
    #[inline(always)]
    pub fn clear_of(&self, object: &Header) -> Option<(ObjectRef, bool)> {
        let common = object.common();
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

static NO_PAGE: [Capability; PAGE_SLOTS] = [Capability::EMPTY; PAGE_SLOTS];
/// What stands in spaces without memory.
pub static NO_PAGES: [OnceArray<Capability, PAGE_SLOTS>; PAGES] =
    [const { OnceArray::empty(&NO_PAGE) }; PAGES];

/// The slots of one task.
pub type CapabilitySpace = SparseArray<Capability, PAGE_SLOTS, PAGES>;

impl CapabilitySpace {
    /// What slot `index` holds.
    pub fn lookup<'cpu>(&self, cpu: &'cpu Cpu, index: u64) -> Option<Entry<'cpu>> {
        self.read(index)?.get(cpu)
    }
}
