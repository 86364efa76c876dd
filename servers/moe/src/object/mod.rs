//! The objects that clients hold capabilities to, and the table of all of them.

pub mod dataspace;
pub mod factory;
mod frame_table;
pub mod log;
pub mod namespace;
pub mod region_map;
pub mod scheduler;

use l4_abi::capability::{Selector, slot};
use l4_abi::error::ResultCode;

use crate::bank::{AccountId, Bank};
use crate::memory::FrameVec;

use dataspace::Dataspace;
use factory::Factory;
use log::Log;
use namespace::Namespace;
use region_map::RegionMap;
use scheduler::Scheduler;

/// Anything that a client can hold a capability to.
#[derive(Debug)]
#[expect(missing_docs, reason = "the types say it")]
pub enum Object {
    Dataspace(Dataspace),
    RegionMap(RegionMap),
    Namespace(Namespace),
    Factory(Factory),
    Log(Log),
    Scheduler(Scheduler),
    /// The parent of the first program: learns that it ended.
    Parent,
}

/// A kind of object: the content of one of [`Object`]'s variants.
pub trait Kind {
    /// The content, if the object is of this kind.
    fn of(object: &mut Object) -> Option<&mut Self>;
}

macro_rules! kinds {
    ($($kind:ident)*) => {
        $(impl Kind for $kind {
            fn of(object: &mut Object) -> Option<&mut Self> {
                match object {
                    Object::$kind(content) => Some(content),
                    _ => None,
                }
            }
        })*
    };
}
kinds!(Dataspace RegionMap Namespace Factory Log Scheduler);

/// Who pays for an object.
#[derive(Clone, Copy, Debug)]
pub struct Payer {
    /// For its memory.
    pub account: AccountId,
    /// For its gate: a factory of the kernel that lives as long as the account.
    pub kernel_factory: Selector,
}

impl Payer {
    /// moe itself.
    pub const ROOT: Payer = Payer {
        account: AccountId::ROOT,
        kernel_factory: Selector::new(slot::FACTORY),
    };
}

/// An object in the table.
#[derive(Debug)]
pub struct Entry {
    /// Who pays for it.
    pub payer: Payer,
    /// Objects of moe's that need this one: regions, names.
    pub references: u32,
    /// The gate that clients have capabilities to, if there is one.
    pub gate: Option<Selector>,
    /// The object itself.
    pub object: Object,
}

impl Entry {
    /// Whether no client and no other object can reach it.
    pub fn is_unneeded(&self) -> bool {
        self.references == 0 && self.gate.is_none()
    }
}

/// Names an object: where it is in the table, and which one of those that were there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ObjectId {
    index: u32,
    generation: u32,
}

/// Bits 1..0 of a gate's label are the caller's rights; index 0 is left to interrupts.
const LABEL_INDEX_SHIFT: u32 = 4;
const LABEL_GENERATION_SHIFT: u32 = 32;

impl ObjectId {
    /// The label of the object's gate.
    pub fn label(self) -> u64 {
        u64::from(self.generation) << LABEL_GENERATION_SHIFT
            | u64::from(self.index + 1) << LABEL_INDEX_SHIFT
    }

    /// The object whose gate has this label, rights in it ignored.
    pub fn from_label(label: u64) -> Option<Self> {
        let index = (label as u32 >> LABEL_INDEX_SHIFT).checked_sub(1)?;
        Some(Self {
            index,
            generation: (label >> LABEL_GENERATION_SHIFT) as u32,
        })
    }

    #[cfg(test)]
    fn for_test(index: u32) -> Self {
        Self {
            index,
            generation: 0,
        }
    }
}

#[derive(Debug)]
struct Place {
    generation: u32,
    entry: Option<Entry>,
}

/// Bytes that an object's place in the table costs its owner.
const PLACE_COST: u64 = size_of::<Place>() as u64;

/// The table of all objects. It never grows: its memory is taken when moe starts.
#[derive(Debug)]
pub struct Objects {
    places: FrameVec<Place>,
    /// No place below this one is free.
    first_free: usize,
    /// Objects that nothing needs any more, to be destroyed; some may be gone already.
    unneeded: FrameVec<ObjectId>,
}

impl Objects {
    /// A table without places.
    pub const fn new() -> Self {
        Self {
            places: FrameVec::new(AccountId::ROOT),
            first_free: 0,
            unneeded: FrameVec::new(AccountId::ROOT),
        }
    }

    /// Makes room for `count` objects.
    pub fn make_places(&mut self, bank: &mut Bank, count: usize) -> Result<(), ResultCode> {
        for _ in 0..count {
            let place = Place {
                generation: 0,
                entry: None,
            };
            self.places.push(bank, place)?;
        }
        // An object loses its last reference once.
        self.unneeded.reserve(bank, count)
    }

    /// Notes an object that nothing needs any more.
    pub fn note_unneeded(&mut self, id: ObjectId) {
        self.unneeded.push_within_reserve(id);
    }

    /// Takes an object of which that was noted.
    pub fn take_unneeded(&mut self) -> Option<ObjectId> {
        self.unneeded.pop()
    }

    /// Adds an object that nobody knows yet.
    ///
    /// # Errors
    /// ENOMEM, with the object to be destroyed.
    pub fn insert(
        &mut self,
        bank: &mut Bank,
        payer: Payer,
        object: Object,
    ) -> Result<ObjectId, (ResultCode, Object)> {
        let places = &mut self.places;
        let free = (self.first_free..places.len()).find(|index| places[*index].entry.is_none());
        let Some(index) = free else {
            return Err((ResultCode::ENOMEM, object));
        };
        if let Err(error) = bank.add_object(payer.account, PLACE_COST) {
            return Err((error, object));
        }
        let place = &mut places[index];
        place.entry = Some(Entry {
            payer,
            references: 0,
            gate: None,
            object,
        });
        self.first_free = index + 1;
        Ok(ObjectId {
            index: index as u32,
            generation: place.generation,
        })
    }

    /// Takes an object out. Its identifier then names nothing, for good.
    pub fn remove(&mut self, bank: &mut Bank, id: ObjectId) -> Option<Entry> {
        let place = self.place_mut(id)?;
        let entry = place.entry.take()?;
        place.generation = place.generation.wrapping_add(1);
        self.first_free = self.first_free.min(id.index as usize);
        bank.remove_object(entry.payer.account, PLACE_COST);
        Some(entry)
    }

    /// The object of this name.
    pub fn get(&self, id: ObjectId) -> Option<&Entry> {
        let place = self.places.get(id.index as usize)?;
        place
            .entry
            .as_ref()
            .filter(|_| place.generation == id.generation)
    }

    /// The object of this name, to change it.
    pub fn get_mut(&mut self, id: ObjectId) -> Option<&mut Entry> {
        self.place_mut(id)?.entry.as_mut()
    }

    /// Two different objects, to change them.
    pub fn get_two_mut(
        &mut self,
        one: ObjectId,
        other: ObjectId,
    ) -> Option<(&mut Entry, &mut Entry)> {
        let indices = [one.index as usize, other.index as usize];
        let [one_place, other_place] = self.places.get_disjoint_mut(indices).ok()?;
        if (one_place.generation, other_place.generation) != (one.generation, other.generation) {
            return None;
        }
        Some((one_place.entry.as_mut()?, other_place.entry.as_mut()?))
    }

    /// The first object at or behind place `from`, for walks that change the table.
    pub fn next(&self, from: usize) -> Option<(usize, ObjectId)> {
        let places = &self.places;
        let index = (from..places.len()).find(|index| places[*index].entry.is_some())?;
        let id = ObjectId {
            index: index as u32,
            generation: places[index].generation,
        };
        Some((index, id))
    }

    fn place_mut(&mut self, id: ObjectId) -> Option<&mut Place> {
        let place = self.places.get_mut(id.index as usize)?;
        (place.generation == id.generation).then_some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bank::tests::bank;

    fn objects(bank: &mut Bank, count: usize) -> Objects {
        let mut objects = Objects::new();
        objects.make_places(bank, count).unwrap();
        objects
    }

    #[test]
    fn a_removed_object_is_not_found_under_its_old_label() {
        let bank = &mut bank(64);
        let mut objects = objects(bank, 4);
        let old = objects.insert(bank, Payer::ROOT, Object::Parent).unwrap();
        assert_eq!(ObjectId::from_label(old.label() | 3), Some(old));
        assert!(objects.remove(bank, old).is_some());
        let new = objects.insert(bank, Payer::ROOT, Object::Parent).unwrap();
        assert_ne!(old.label(), new.label());
        assert!(objects.get(old).is_none() && objects.get_mut(old).is_none());
        assert!(objects.remove(bank, old).is_none());
        assert!(objects.get(new).is_some());
    }

    #[test]
    fn labels_that_were_never_given_find_nothing() {
        let bank = &mut bank(64);
        let objects = objects(bank, 4);
        assert_eq!(ObjectId::from_label(0), None);
        assert_eq!(ObjectId::from_label(0xf), None);
        for label in [0x10, 0x50, u64::MAX, 1 << 32 | 0x10] {
            let id = ObjectId::from_label(label).unwrap();
            assert!(objects.get(id).is_none(), "{label:#x}");
        }
    }

    #[test]
    fn a_full_table_returns_the_object() {
        let bank = &mut bank(64);
        let mut objects = objects(bank, 2);
        let used = bank.statement(AccountId::ROOT).used;
        let one = objects.insert(bank, Payer::ROOT, Object::Parent).unwrap();
        objects.insert(bank, Payer::ROOT, Object::Parent).unwrap();
        assert!(objects.insert(bank, Payer::ROOT, Object::Parent).is_err());
        objects.remove(bank, one);
        assert!(objects.insert(bank, Payer::ROOT, Object::Parent).is_ok());
        assert_eq!(bank.statement(AccountId::ROOT).used, used + 2 * PLACE_COST);
    }

    #[test]
    fn two_objects_can_be_changed_at_once() {
        let bank = &mut bank(64);
        let mut objects = objects(bank, 3);
        let one = objects.insert(bank, Payer::ROOT, Object::Parent).unwrap();
        let two = objects.insert(bank, Payer::ROOT, Object::Parent).unwrap();
        assert!(objects.get_two_mut(one, two).is_some());
        assert!(objects.get_two_mut(one, one).is_none());
        objects.remove(bank, two);
        assert!(objects.get_two_mut(one, two).is_none());
    }
}
