//! Arrays of which most is not there: pages of elements, each with memory from
//! the first use of one of its elements on.

use machine::boxed::{KernelBox, OnceBox};

use super::quota::QuotaRef;
use super::{KernelHeap, OutOfMemory};

type Page<T, const LENGTH: usize> = [T; LENGTH];

/// An array of `PAGES` pages of `LENGTH` elements. Elements are read without a
/// lock.
pub struct SparseArray<T: 'static, const LENGTH: usize, const PAGES: usize> {
    pages: OnceBox<[OnceBox<Page<T, LENGTH>>; PAGES]>,
}

impl<T: Default + 'static, const LENGTH: usize, const PAGES: usize> SparseArray<T, LENGTH, PAGES> {
    /// An array without any memory yet.
    pub const fn new() -> Self {
        Self {
            pages: OnceBox::empty(),
        }
    }

    /// The element `index`, if there is memory for it.
    #[inline]
    pub fn get(&self, index: u64) -> Option<&T> {
        let index = usize::try_from(index).ok()?;
        let page = self.pages.get()?.get(index / LENGTH)?.get()?;
        Some(&page[index % LENGTH])
    }

    /// The element `index`, with memory for it from `quota`.
    #[inline(always)]
    pub fn make(&self, heap: &KernelHeap, quota: QuotaRef, index: u64) -> Result<&T, OutOfMemory> {
        match self.get(index) {
            Some(element) => Ok(element),
            None => self.make_page(heap, quota, index),
        }
    }

    #[cold]
    fn make_page(&self, heap: &KernelHeap, quota: QuotaRef, index: u64) -> Result<&T, OutOfMemory> {
        let index = usize::try_from(index).map_err(|_| OutOfMemory)?;
        if index >= PAGES * LENGTH {
            return Err(OutOfMemory);
        }
        let pages = match self.pages.get() {
            Some(pages) => pages,
            None => install(&self.pages, heap, quota, |_| OnceBox::empty())?,
        };
        let place = &pages[index / LENGTH];
        let page = match place.get() {
            Some(page) => page,
            None => install(place, heap, quota, |_| T::default())?,
        };
        Ok(&page[index % LENGTH])
    }

    /// The elements `first` to `last` for which there is memory, with their
    /// numbers.
    #[inline]
    pub fn range(&self, first: u64, last: u64) -> impl Iterator<Item = (u64, &T)> {
        let pages = self.pages.get();
        let mut next = first;
        core::iter::from_fn(move || {
            let pages = pages?;
            while next <= last {
                let index = usize::try_from(next).ok()?;
                if let Some(page) = pages.get(index / LENGTH)?.get() {
                    next += 1;
                    return Some((index as u64, &page[index % LENGTH]));
                }
                next = ((index | (LENGTH - 1)) + 1) as u64;
            }
            None
        })
    }

    /// Gives a part of the memory back; false if there is none any more.
    pub fn release_part(&mut self, heap: &KernelHeap, quota: QuotaRef) -> bool {
        let Some(mut pages) = self.pages.take() else {
            return false;
        };
        if let Some(page) = pages.iter_mut().find_map(OnceBox::take) {
            heap.free_charged(quota, page.into_storage());
            // Nobody else has the array any more.
            assert!(self.pages.set(pages).is_ok(), "the place was emptied");
        } else {
            heap.free_charged(quota, pages.into_storage());
        }
        true
    }
}

impl<T: Default + 'static, const LENGTH: usize, const PAGES: usize> Default
    for SparseArray<T, LENGTH, PAGES>
{
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
    let page = KernelBox::new_array(storage, element);
    Ok(place.set(page).unwrap_or_else(|page| {
        // Another CPU was faster.
        heap.free_charged(quota, page.into_storage());
        place.get().expect("what was put first")
    }))
}
