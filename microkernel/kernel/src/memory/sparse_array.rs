//! Arrays of which most is not there: pages of elements, each with memory from
//! the first use of one of its elements on. Before that a page of which all
//! arrays of the type read the same empty elements stands there.

use core::ptr;

use machine::once_array::OnceArray;

use super::quota::QuotaRef;
use super::{KernelHeap, OutOfMemory};

type Pages<T, const LENGTH: usize, const PAGES: usize> = [OnceArray<T, LENGTH>; PAGES];

/// An array of `PAGES` pages of `LENGTH` elements. Elements are read without a
/// lock.
pub struct SparseArray<T: 'static, const LENGTH: usize, const PAGES: usize> {
    pages: OnceArray<OnceArray<T, LENGTH>, PAGES>,
    nothing: &'static Pages<T, LENGTH, PAGES>,
}

impl<T: Default + 'static, const LENGTH: usize, const PAGES: usize> SparseArray<T, LENGTH, PAGES> {
    /// An array without any memory yet; `nothing` is that of all arrays of the
    /// type: the same empty page everywhere.
    pub const fn new(nothing: &'static Pages<T, LENGTH, PAGES>) -> Self {
        Self {
            pages: OnceArray::empty(nothing),
            nothing,
        }
    }

    /// The page that stands where there is no memory.
    fn no_page(&self) -> &'static [T; LENGTH] {
        self.nothing[0].get()
    }

    /// The element `index`, to be read: where there is no memory, an empty one.
    pub fn read(&self, index: u64) -> Option<&T> {
        let index = index as usize;
        Some(&self.pages.get().get(index / LENGTH)?.get()[index % LENGTH])
    }

    /// The element `index`, if there is memory for it.
    pub fn get(&self, index: u64) -> Option<&T> {
        let index = usize::try_from(index).ok()?;
        let page = self.pages.get().get(index / LENGTH)?.get();
        (!ptr::eq(page, self.no_page())).then(|| &page[index % LENGTH])
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
        let place = |_| OnceArray::empty(self.no_page());
        let pages = install(&self.pages, self.nothing, heap, quota, place)?;
        let place = &pages[index / LENGTH];
        let page = install(place, self.no_page(), heap, quota, |_| T::default())?;
        Ok(&page[index % LENGTH])
    }

    /// The elements `first` to `last` for which there is memory, with their
    /// numbers.
    pub fn range(&self, first: u64, last: u64) -> impl Iterator<Item = (u64, &T)> {
        let pages = self.pages.get();
        let mut next = first;
        core::iter::from_fn(move || {
            if ptr::eq(pages, self.nothing) {
                return None;
            }
            while next <= last {
                let index = usize::try_from(next).ok()?;
                let page = pages.get(index / LENGTH)?.get();
                if !ptr::eq(page, self.no_page()) {
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
        let (nothing, no_page) = (self.nothing, self.no_page());
        let mut pages = self.pages.get_mut(nothing).into_iter().flatten();
        let page = pages.find_map(|place| place.take(no_page));
        let Some(storage) = page.or_else(|| self.pages.take(nothing)) else {
            return false;
        };
        heap.free_charged(quota, storage);
        true
    }
}

fn install<'a, T: 'static, const N: usize>(
    place: &'a OnceArray<T, N>,
    nothing: &'static [T; N],
    heap: &KernelHeap,
    quota: QuotaRef,
    element: impl Fn(usize) -> T,
) -> Result<&'a [T; N], OutOfMemory> {
    if !ptr::eq(place.get(), nothing) {
        return Ok(place.get());
    }
    let storage = heap.allocate_charged(quota, size_of::<[T; N]>())?;
    if let Err(storage) = place.fill(nothing, storage, element) {
        // Another CPU was faster.
        heap.free_charged(quota, storage);
    }
    Ok(place.get())
}
