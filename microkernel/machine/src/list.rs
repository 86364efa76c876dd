//! Intrusive lists: the nodes are inside the items, so that linking an item
//! allocates nothing and removing it takes no search.
//!
//! Which CPU, or which lock, has a list is the owner's to say; the items on
//! it are in the same care while they are linked. The pointers are relaxed
//! atomics, so that a mistake there is a wrong list and never undefined
//! behaviour, and an item that is dropped while a list has it stops the
//! kernel. Items never move: they are kernel objects or parts of kernel
//! tables.

use core::marker::PhantomData;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering::Relaxed};

use crate::per_cpu::PerCpu;

/// The node inside an item: its neighbours, and the list that has it.
pub struct Links<T> {
    next: AtomicPtr<T>,
    previous: AtomicPtr<T>,
    list: AtomicPtr<()>,
}

impl<T> Links<T> {
    /// A node on no list.
    pub const fn new() -> Self {
        Self {
            next: AtomicPtr::new(ptr::null_mut()),
            previous: AtomicPtr::new(ptr::null_mut()),
            list: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// True while a list has the item.
    #[inline]
    pub fn is_linked(&self) -> bool {
        !self.list.load(Relaxed).is_null()
    }
}

impl<T> Drop for Links<T> {
    fn drop(&mut self) {
        assert!(!self.is_linked(), "an item was freed while on a list");
    }
}

/// Says which of an item's nodes a list uses: always the same field of the
/// item that is passed in.
pub trait Node<T> {
    /// The node of `item`.
    fn links(item: &T) -> &Links<T>;
}

/// A doubly linked list of items that are linked through the node that `N`
/// chooses.
pub struct List<T, N> {
    head: AtomicPtr<T>,
    tail: AtomicPtr<T>,
    node: PhantomData<fn() -> N>,
}

impl<T, N: Node<T>> List<T, N> {
    /// An empty list.
    pub const fn new() -> Self {
        Self {
            head: AtomicPtr::new(ptr::null_mut()),
            tail: AtomicPtr::new(ptr::null_mut()),
            node: PhantomData,
        }
    }

    fn identity(&self) -> *mut () {
        ptr::from_ref(self).cast_mut().cast()
    }

    /// True if nothing is on the list.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.head.load(Relaxed).is_null()
    }

    /// True if `item` is on this list.
    #[inline]
    pub fn contains(&self, item: &T) -> bool {
        N::links(item).list.load(Relaxed) == self.identity()
    }

    /// The first item.
    #[inline]
    pub fn front<'cpu, L>(&self, _cpu: &'cpu PerCpu<L>) -> Option<&'cpu T> {
        // SAFETY: an item on a list is alive (its drop checks that it is on
        // none), and what dies is freed only when the `PerCpu` is borrowed
        // whole, which `'cpu` excludes.
        unsafe { self.head.load(Relaxed).as_ref() }
    }

    /// The last item.
    #[inline]
    pub fn back<'cpu, L>(&self, _cpu: &'cpu PerCpu<L>) -> Option<&'cpu T> {
        // SAFETY: as in `front`.
        unsafe { self.tail.load(Relaxed).as_ref() }
    }

    /// The item behind `item`, which is on this list.
    #[inline]
    pub fn after<'cpu, L>(&self, _cpu: &'cpu PerCpu<L>, item: &T) -> Option<&'cpu T> {
        if !self.contains(item) {
            return None;
        }
        // SAFETY: as in `front`.
        unsafe { N::links(item).next.load(Relaxed).as_ref() }
    }

    /// The item before `item`, which is on this list.
    #[inline]
    pub fn before<'cpu, L>(&self, _cpu: &'cpu PerCpu<L>, item: &T) -> Option<&'cpu T> {
        if !self.contains(item) {
            return None;
        }
        // SAFETY: as in `front`.
        unsafe { N::links(item).previous.load(Relaxed).as_ref() }
    }

    /// All items, from the first on. The list does not change meanwhile.
    pub fn iter<'cpu, L>(&self, cpu: &'cpu PerCpu<L>) -> impl Iterator<Item = &'cpu T>
    where
        T: 'cpu,
    {
        let mut next = self.front(cpu);
        core::iter::from_fn(move || {
            let item = next?;
            next = self.after(cpu, item);
            Some(item)
        })
    }

    /// Puts `item` first. It is on no list.
    #[inline]
    pub fn push_front(&self, item: &T) {
        self.insert(ptr::null_mut(), self.head.load(Relaxed), item);
    }

    /// Puts `item` last. It is on no list.
    #[inline]
    pub fn push_back(&self, item: &T) {
        self.insert(self.tail.load(Relaxed), ptr::null_mut(), item);
    }

    /// Puts `item`, which is on no list, before `other`, which is on this one.
    pub fn insert_before(&self, other: &T, item: &T) {
        assert!(self.contains(other), "the neighbour is on another list");
        let previous = N::links(other).previous.load(Relaxed);
        self.insert(previous, ptr::from_ref(other).cast_mut(), item);
    }

    #[inline(always)]
    fn insert(&self, previous: *mut T, next: *mut T, item: &T) {
        let links = N::links(item);
        assert!(!links.is_linked(), "an item was put on two lists");
        links.list.store(self.identity(), Relaxed);
        links.previous.store(previous, Relaxed);
        links.next.store(next, Relaxed);
        let item = ptr::from_ref(item).cast_mut();
        // SAFETY: neighbours on this list are alive (see `front`).
        match unsafe { previous.as_ref() } {
            Some(previous) => N::links(previous).next.store(item, Relaxed),
            None => self.head.store(item, Relaxed),
        }
        // SAFETY: likewise.
        match unsafe { next.as_ref() } {
            Some(next) => N::links(next).previous.store(item, Relaxed),
            None => self.tail.store(item, Relaxed),
        }
    }

    /// Takes `item` off. False if it was not on this list.
    #[inline]
    pub fn remove(&self, item: &T) -> bool {
        if !self.contains(item) {
            return false;
        }
        let links = N::links(item);
        let previous = links.previous.load(Relaxed);
        let next = links.next.load(Relaxed);
        links.list.store(ptr::null_mut(), Relaxed);
        // SAFETY: neighbours on this list are alive (see `front`).
        match unsafe { previous.as_ref() } {
            Some(previous) => N::links(previous).next.store(next, Relaxed),
            None => self.head.store(next, Relaxed),
        }
        // SAFETY: likewise.
        match unsafe { next.as_ref() } {
            Some(next) => N::links(next).previous.store(previous, Relaxed),
            None => self.tail.store(previous, Relaxed),
        }
        true
    }

    /// Takes the first item off.
    #[inline]
    pub fn pop_front<'cpu, L>(&self, cpu: &'cpu PerCpu<L>) -> Option<&'cpu T> {
        self.take_front(cpu).map(|(item, _)| item)
    }

    /// Takes the first item off; also whether it was the only one.
    #[inline]
    pub fn take_front<'cpu, L>(&self, cpu: &'cpu PerCpu<L>) -> Option<(&'cpu T, bool)> {
        let item = self.front(cpu)?;
        let links = N::links(item);
        links.list.store(ptr::null_mut(), Relaxed);
        let next = links.next.load(Relaxed);
        self.head.store(next, Relaxed);
        // SAFETY: as in `front`.
        match unsafe { next.as_ref() } {
            Some(next) => N::links(next).previous.store(ptr::null_mut(), Relaxed),
            None => self.tail.store(ptr::null_mut(), Relaxed),
        }
        Some((item, next.is_null()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Item {
        value: u32,
        links: Links<Item>,
    }

    struct ByLinks;

    impl Node<Item> for ByLinks {
        fn links(item: &Item) -> &Links<Item> {
            &item.links
        }
    }

    fn items() -> Vec<Item> {
        (0..4)
            .map(|value| Item {
                value,
                links: Links::new(),
            })
            .collect()
    }

    fn values(cpu: &PerCpu<()>, list: &List<Item, ByLinks>) -> Vec<u32> {
        let mut values = Vec::new();
        let mut next = list.front(cpu);
        while let Some(item) = next {
            values.push(item.value);
            next = list.after(cpu, item);
        }
        values
    }

    #[test]
    fn keeps_the_order_of_insertion_and_of_removal() {
        let cpu = PerCpu::new(0, ());
        let items = items();
        let list = List::<Item, ByLinks>::new();
        list.push_back(&items[1]);
        list.push_back(&items[2]);
        list.push_front(&items[0]);
        list.insert_before(&items[2], &items[3]);
        assert_eq!(values(&cpu, &list), [0, 1, 3, 2]);
        assert!(list.remove(&items[3]));
        assert!(!list.remove(&items[3]));
        assert_eq!(values(&cpu, &list), [0, 1, 2]);
        assert_eq!(list.back(&cpu).map(|item| item.value), Some(2));
        while list.pop_front(&cpu).is_some() {}
        assert!(list.is_empty());
    }

    #[test]
    fn an_item_of_another_list_is_not_removed() {
        let cpu = PerCpu::new(0, ());
        let items = items();
        let (one, other) = (List::<Item, ByLinks>::new(), List::<Item, ByLinks>::new());
        one.push_back(&items[0]);
        assert!(!other.remove(&items[0]));
        assert!(other.after(&cpu, &items[0]).is_none());
        assert!(one.remove(&items[0]));
    }

    #[test]
    #[should_panic(expected = "two lists")]
    fn an_item_on_two_lists_stops_the_kernel() {
        let items = items();
        let list = List::<Item, ByLinks>::new();
        list.push_back(&items[0]);
        // Keep the drop check out of the unwinding.
        let item = core::mem::ManuallyDrop::new(items);
        list.push_back(&item[0]);
    }
}
