//! A list with a limit: bootstrap has no heap.

/// Up to `N` entries.
#[derive(Clone, Debug)]
pub struct List<T, const N: usize> {
    /// Taken from the front.
    places: [Option<T>; N],
}

impl<T, const N: usize> List<T, N> {
    /// Adds an entry, unless there are as many as there can be. Whether there was a place.
    #[must_use]
    pub fn push(&mut self, entry: T) -> bool {
        let free = self.places.iter_mut().find(|place| place.is_none());
        free.map(|place| *place = Some(entry)).is_some()
    }

    /// The entry that was added last.
    pub fn last_mut(&mut self) -> Option<&mut T> {
        self.places.iter_mut().flatten().next_back()
    }

    /// All entries, in the order in which they were added.
    pub fn iter(&self) -> impl Iterator<Item = &T> + Clone {
        self.places.iter().flatten()
    }
}

impl<T, const N: usize> IntoIterator for List<T, N> {
    type Item = T;
    type IntoIter = core::iter::Flatten<core::array::IntoIter<Option<T>, N>>;

    fn into_iter(self) -> Self::IntoIter {
        self.places.into_iter().flatten()
    }
}

impl<T, const N: usize> Default for List<T, N> {
    fn default() -> Self {
        Self {
            places: [const { None }; N],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::List;

    #[test]
    fn entries_keep_their_order_and_have_a_limit() {
        let mut list = List::<u32, 2>::default();
        assert_eq!(list.last_mut(), None);
        assert!(list.push(1) && list.push(2));
        assert_eq!(list.last_mut(), Some(&mut 2));
        assert!(!list.push(3));
        assert!(list.iter().eq(&[1, 2]) && list.into_iter().eq([1, 2]));
    }
}
