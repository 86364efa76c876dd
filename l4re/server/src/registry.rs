//! The objects of a server, found by the label of the gate that a request came through.

use l4_ipc::{Outcome, ResultCode};

/// Up to `N` objects, each with a label of its own.
///
/// A label is never handed out twice in a row for a place: it carries a generation, so that a
/// message queued under the label of a removed object does not reach its successor.
pub struct Registry<T, const N: usize> {
    places: [Place<T>; N],
}

struct Place<T> {
    generation: u32,
    object: Option<T>,
}

/// The rights take bits 1..0 of a label; two more are left to the server.
const INDEX_SHIFT: u32 = 4;
const GENERATION_SHIFT: u32 = 32;

impl<T, const N: usize> Registry<T, N> {
    /// An empty registry.
    pub const fn new() -> Self {
        const { assert!(N < 1 << (GENERATION_SHIFT - INDEX_SHIFT)) }
        Self {
            places: [const {
                Place {
                    generation: 0,
                    object: None,
                }
            }; N],
        }
    }

    /// Adds an object and returns its label, to bind a gate with. Error: ENOMEM if all places
    /// are taken.
    pub fn insert(&mut self, object: T) -> Outcome<u64> {
        let index = self.free_place().ok_or(ResultCode::ENOMEM)?;
        let place = &mut self.places[index];
        place.object = Some(object);
        Ok(label(index, place.generation))
    }

    /// The label that the next object will have; `None` if all places are taken.
    pub fn next_label(&self) -> Option<u64> {
        let index = self.free_place()?;
        Some(label(index, self.places[index].generation))
    }

    fn free_place(&self) -> Option<usize> {
        self.places.iter().position(|place| place.object.is_none())
    }

    /// The object with this label; rights and the server's own bits in it do not matter.
    pub fn get(&self, label: u64) -> Option<&T> {
        self.find(label)
            .and_then(|index| self.places[index].object.as_ref())
    }

    /// The object with this label, to change it.
    pub fn get_mut(&mut self, label: u64) -> Option<&mut T> {
        self.find(label)
            .and_then(|index| self.places[index].object.as_mut())
    }

    /// Removes an object.
    pub fn remove(&mut self, label: u64) -> Option<T> {
        let index = self.find(label)?;
        let place = &mut self.places[index];
        place.generation = place.generation.wrapping_add(1);
        place.object.take()
    }

    /// All objects with their labels.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &T)> {
        self.places.iter().enumerate().filter_map(|(index, place)| {
            place
                .object
                .as_ref()
                .map(|object| (label(index, place.generation), object))
        })
    }

    /// The label of the first object that matches.
    pub fn label_of(&self, matches: impl Fn(&T) -> bool) -> Option<u64> {
        let mut all = self.iter();
        all.find(|(_, object)| matches(object))
            .map(|(label, _)| label)
    }

    /// The place of a label, from 0 to `N` - 1: no two objects have the same at a time.
    pub fn place(label: u64) -> Option<usize> {
        // Index 0 stands for place 1, so that no label is 0.
        let index = (label as u32 >> INDEX_SHIFT).checked_sub(1)? as usize;
        (index < N).then_some(index)
    }

    fn find(&self, wanted: u64) -> Option<usize> {
        let index = Self::place(wanted)?;
        let place = self.places.get(index)?;
        let matches = place.generation == (wanted >> GENERATION_SHIFT) as u32;
        (matches && place.object.is_some()).then_some(index)
    }
}

fn label(index: usize, generation: u32) -> u64 {
    u64::from(generation) << GENERATION_SHIFT | (index as u64 + 1) << INDEX_SHIFT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_leave_the_low_bits_free_and_find_their_object() {
        let mut registry = Registry::<&str, 3>::new();
        let one = registry.insert("one").unwrap();
        let two = registry.insert("two").unwrap();
        assert_eq!(one & 0xf, 0);
        assert_ne!(one, 0);
        let places = [one, two | 3, 0].map(Registry::<&str, 3>::place);
        assert_eq!(places, [Some(0), Some(1), None]);
        assert_eq!(registry.get(one | 3), Some(&"one"));
        assert_eq!(registry.get(two), Some(&"two"));
        assert_eq!(registry.label_of(|object| *object == "two"), Some(two));
        assert_eq!(registry.label_of(|object| *object == "three"), None);
        assert_eq!(
            registry.iter().collect::<Vec<_>>(),
            [(one, &"one"), (two, &"two")]
        );
    }

    #[test]
    fn the_label_of_a_removed_object_finds_nothing_afterwards() {
        let mut registry = Registry::<u32, 1>::new();
        let old = registry.insert(1).unwrap();
        assert_eq!(registry.insert(2), Err(ResultCode::ENOMEM));
        assert_eq!(registry.remove(old), Some(1));
        let next = registry.next_label();
        let new = registry.insert(2).unwrap();
        assert_eq!(next, Some(new));
        assert_eq!(registry.next_label(), None);
        assert_ne!(old, new);
        assert_eq!(registry.get_mut(old), None);
        assert_eq!(registry.remove(old), None);
        assert_eq!(registry.get_mut(new), Some(&mut 2));
    }

    #[test]
    fn labels_that_were_never_handed_out_find_nothing() {
        let mut registry = Registry::<u32, 2>::new();
        let _ = registry.insert(1);
        for label in [0, 3, 0x20, 0x30, u64::MAX, 1 << 32 | 0x10] {
            assert_eq!(registry.get(label), None, "{label:#x}");
        }
    }
}
