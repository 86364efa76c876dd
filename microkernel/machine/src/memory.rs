//! Kernel memory: one contiguous block of RAM, and the typed views of it.
//!
//! The block is mapped once, at boot, so physical and kernel addresses differ by a constant
//! ([`Window`]). Who owns which part is the kernel's heap to decide: it holds the one
//! [`KernelMemory`] and makes [`Storage`] out of it. Storage is moved, never copied, so each part
//! has one owner at a time.
//!
//! Data structures whose parts refer to each other (page tables, mapping nodes, quotas) use
//! [`Handle`]s: plain pointers that may be copied. Their rule is in the type's description.

use core::fmt;
use core::ops::{Deref, DerefMut};
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

use crate::address::PhysicalAddress;

/// Size of a frame, the smallest unit of memory protection, in bytes.
pub const FRAME_SIZE: usize = 1 << FRAME_ORDER;
/// Binary logarithm of [`FRAME_SIZE`].
pub const FRAME_ORDER: u32 = 12;
/// Alignment of all storage in bytes: a cache line.
pub const STORAGE_ALIGNMENT: usize = 64;
/// Binary logarithm of the alignment of kernel memory as a whole: 2 MiB. Frame blocks up to this
/// size are aligned to their size, physically too.
pub const KERNEL_MEMORY_ALIGNMENT: u32 = 21;

/// The kernel's memory. There is one for each kernel, and its owner alone says which parts of it
/// are in use.
pub struct KernelMemory {
    window: Window,
    start: NonNull<u8>,
    frames: usize,
    /// Where the memory came from takes it back here; hardware never does.
    give_back: Option<unsafe fn(NonNull<u8>, usize)>,
}

impl KernelMemory {
    /// Takes over `frames` frames of RAM at `physical`, mapped at `start`.
    ///
    /// # Safety
    /// The memory is mapped readable and writable for good, and nothing else uses it. Both
    /// addresses are multiples of 2^[`KERNEL_MEMORY_ALIGNMENT`].
    pub const unsafe fn new(
        start: NonNull<u8>,
        physical: PhysicalAddress,
        frames: usize,
    ) -> KernelMemory {
        KernelMemory {
            window: Window {
                origin: start.as_ptr().wrapping_sub(physical.as_u64() as usize),
                physical,
                size: (frames * FRAME_SIZE) as u64,
            },
            start,
            frames,
            give_back: None,
        }
    }

    /// Number of frames.
    pub const fn frames(&self) -> usize {
        self.frames
    }

    /// Where the memory is, physically and for the kernel.
    pub const fn window(&self) -> Window {
        self.window
    }

    /// The `size` bytes at `offset`, as storage.
    ///
    /// The holder of the kernel memory answers for it that each byte is in one storage at most.
    ///
    /// # Panics
    /// If this is not inside the memory or not aligned to [`STORAGE_ALIGNMENT`].
    #[inline]
    pub fn claim(&self, offset: usize, size: usize) -> Storage {
        assert!(
            offset.is_multiple_of(STORAGE_ALIGNMENT)
                && offset <= self.frames * FRAME_SIZE
                && size <= self.frames * FRAME_SIZE - offset
        );
        // SAFETY: inside the memory, which is ours to give away; aligned.
        unsafe { Storage::from_raw(self.start.add(offset), size) }
    }

    /// Takes storage back: its offset and size in bytes.
    ///
    /// # Panics
    /// If the storage is not part of this memory.
    #[inline]
    pub fn reclaim(&self, storage: Storage) -> (usize, usize) {
        let (start, size) = storage.into_raw();
        let offset = (start.addr().get()).wrapping_sub(self.start.addr().get());
        assert!(offset < self.frames * FRAME_SIZE);
        (offset, size)
    }
}

// SAFETY: it owns the memory.
unsafe impl Send for KernelMemory {}
// SAFETY: shared, it only does arithmetic.
unsafe impl Sync for KernelMemory {}

impl Drop for KernelMemory {
    /// Only a kernel on a host ends. It drops its memory last: no storage, handle or slice may be
    /// used after this.
    fn drop(&mut self) {
        if let Some(give_back) = self.give_back {
            // SAFETY: the function came with this very memory.
            unsafe { give_back(self.start, self.frames * FRAME_SIZE) }
        }
    }
}

#[cfg(not(target_os = "none"))]
impl KernelMemory {
    /// Memory of this process, as if it were RAM at `physical`.
    ///
    /// # Panics
    /// If `physical` is not aligned as kernel memory is, or the process has no memory left.
    pub fn hosted(physical: PhysicalAddress, frames: usize) -> KernelMemory {
        use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};

        fn layout(size: usize) -> Layout {
            Layout::from_size_align(size, 1 << KERNEL_MEMORY_ALIGNMENT).expect("a sensible size")
        }
        /// # Safety
        /// The memory is that of `KernelMemory::hosted`.
        unsafe fn give_back(start: NonNull<u8>, size: usize) {
            // SAFETY: allocated below with the same layout.
            unsafe { dealloc(start.as_ptr(), layout(size)) }
        }

        assert!(frames > 0 && physical.is_aligned(KERNEL_MEMORY_ALIGNMENT));
        let layout = layout(frames * FRAME_SIZE);
        // SAFETY: the size is not zero.
        let Some(start) = NonNull::new(unsafe { alloc_zeroed(layout) }) else {
            handle_alloc_error(layout)
        };
        // SAFETY: just allocated, so it is ours, and aligned.
        let mut memory = unsafe { KernelMemory::new(start, physical, frames) };
        memory.give_back = Some(give_back);
        memory
    }
}

/// Where kernel memory is, physically and for the kernel.
#[derive(Clone, Copy)]
pub struct Window {
    /// Where the kernel would find physical address 0.
    origin: *mut u8,
    physical: PhysicalAddress,
    size: u64,
}

// SAFETY: it does arithmetic on addresses only.
unsafe impl Send for Window {}
// SAFETY: likewise.
unsafe impl Sync for Window {}

impl Window {
    /// The physical address of a kernel address.
    #[inline]
    pub fn physical(&self, address: usize) -> PhysicalAddress {
        let physical = PhysicalAddress::new(address.wrapping_sub(self.origin.addr()) as u64);
        debug_assert!(self.contains(physical));
        physical
    }

    /// Whether a physical address is in kernel memory.
    #[inline]
    pub fn contains(&self, physical: PhysicalAddress) -> bool {
        physical.as_u64().wrapping_sub(self.physical.as_u64()) < self.size
    }

    /// The kernel's pointer to a physical address inside kernel memory.
    #[inline]
    pub(crate) fn pointer(&self, physical: PhysicalAddress) -> *mut u8 {
        debug_assert!(self.contains(physical));
        self.origin.wrapping_add(physical.as_u64() as usize)
    }

    /// The physical addresses: first and last.
    pub fn physical_range(&self) -> (PhysicalAddress, PhysicalAddress) {
        (self.physical, self.physical.offset(self.size - 1))
    }
}

/// Kernel memory that belongs to whoever has this value. Dropping it leaks the memory.
#[must_use]
#[derive(Debug)]
pub struct Storage {
    start: NonNull<u8>,
    size: usize,
}

// SAFETY: it is the only handle to the memory.
unsafe impl Send for Storage {}

impl Storage {
    /// Takes over memory.
    ///
    /// # Safety
    /// `start` is aligned to [`STORAGE_ALIGNMENT`], and the `size` bytes there are writable
    /// kernel memory that nothing else uses until [`Storage::into_raw`].
    #[inline]
    pub const unsafe fn from_raw(start: NonNull<u8>, size: usize) -> Self {
        Self { start, size }
    }

    /// Gives the memory up: where it starts, and its bytes.
    #[inline]
    pub const fn into_raw(self) -> (NonNull<u8>, usize) {
        (self.start, self.size)
    }

    /// Its bytes.
    #[inline]
    pub const fn size(&self) -> usize {
        self.size
    }

    /// Where the kernel finds it.
    #[inline]
    pub fn address(&self) -> usize {
        self.start.addr().get()
    }

    /// Fills it with zeros.
    #[inline]
    pub fn zero(&mut self) {
        // SAFETY: the memory is ours.
        unsafe { self.start.write_bytes(0, self.size) }
    }
}

/// A slice in storage that has one owner.
pub struct KernelSlice<T>(NonNull<[T]>);

// SAFETY: it owns the elements.
unsafe impl<T: Send> Send for KernelSlice<T> {}
// SAFETY: shared, it lends the elements out shared.
unsafe impl<T: Sync> Sync for KernelSlice<T> {}

impl<T: Copy> KernelSlice<T> {
    /// As many copies of `value` as fit.
    ///
    /// # Panics
    /// If `T` wants more alignment than storage has.
    pub fn new(storage: Storage, value: T) -> Self {
        assert!(align_of::<T>() <= STORAGE_ALIGNMENT && size_of::<T>() > 0);
        let (start, size) = storage.into_raw();
        let length = size / size_of::<T>();
        let first = start.cast::<T>();
        for index in 0..length {
            // SAFETY: inside the storage, aligned, and ours.
            unsafe { first.add(index).write(value) };
        }
        Self(NonNull::slice_from_raw_parts(first, length))
    }
}

impl<T> Deref for KernelSlice<T> {
    type Target = [T];
    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: owned and initialised.
        unsafe { self.0.as_ref() }
    }
}

impl<T> DerefMut for KernelSlice<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: owned exclusively and initialised.
        unsafe { self.0.as_mut() }
    }
}

/// A reference to a value in kernel memory that other parts of the same data structure refer to
/// as well.
///
/// It can be copied and does not keep the value alive. The rule: whoever calls [`Handle::new`]
/// owns the value, and calls [`Handle::into_storage`] once, after the last other handle to it has
/// gone out of use. The kernel's data structures keep it by being trees: a value is freed by the
/// one function that unlinks it. With debug assertions the memory of a freed value is marked, and
/// using a handle to it stops the kernel.
pub struct Handle<T>(NonNull<T>);

impl<T> Handle<T> {
    /// What marks the memory of a freed value.
    const FREED: u64 = 0xdead_f4ee_dead_f4ee;

    /// Puts `value` into `storage`.
    ///
    /// # Panics
    /// If the value does not fit.
    #[inline]
    pub fn new(storage: Storage, value: T) -> Self {
        assert!(
            size_of::<T>() <= storage.size
                && align_of::<T>() <= STORAGE_ALIGNMENT
                && size_of::<T>() >= size_of::<u64>()
                && align_of::<T>() >= align_of::<u64>()
        );
        let place = storage.into_raw().0.cast::<T>();
        // SAFETY: it fits, is aligned, and the memory is ours.
        unsafe { place.write(value) };
        Self(place)
    }

    /// Drops the value and gives its memory. `size` is that of the storage it was put into.
    #[inline]
    pub fn into_storage(self, size: usize) -> Storage {
        self.check();
        // SAFETY: by the rule above this is the last use of the value.
        unsafe {
            self.0.drop_in_place();
            if cfg!(debug_assertions) {
                self.0.cast::<u64>().write(Self::FREED);
            }
            Storage::from_raw(self.0.cast(), size)
        }
    }

    /// Where the kernel finds the value.
    #[inline]
    pub fn address(self) -> usize {
        self.0.addr().get()
    }

    /// A handle to a part of something in kernel memory, under the same rule.
    #[inline]
    pub(crate) fn to_part(part: &T) -> Self {
        Self(NonNull::from_ref(part))
    }

    #[inline]
    fn check(self) {
        if cfg!(debug_assertions) {
            // SAFETY: kernel memory is always mapped, and values have at least a word.
            let first = unsafe { self.0.cast::<u64>().read_volatile() };
            assert!(first != Self::FREED, "a freed value was used");
        }
    }
}

impl<T> Clone for Handle<T> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Handle<T> {}

impl<T> PartialEq for Handle<T> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<T> Eq for Handle<T> {}

impl<T> fmt::Debug for Handle<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "handle {:p}", self.0)
    }
}

impl<T> Deref for Handle<T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        self.check();
        // SAFETY: by the rule above the value is there.
        unsafe { self.0.as_ref() }
    }
}

// SAFETY: handles are shared references to values that are shared between CPUs.
unsafe impl<T: Send + Sync> Send for Handle<T> {}
// SAFETY: likewise.
unsafe impl<T: Send + Sync> Sync for Handle<T> {}

/// What may start as zeros.
///
/// # Safety
/// All bytes zero is a value of the type.
pub unsafe trait Zeroed {}

// SAFETY: null is the empty link.
unsafe impl<T> Zeroed for Link<T> {}
// SAFETY: zero is a number.
unsafe impl Zeroed for AtomicU64 {}
// SAFETY: as its elements.
unsafe impl<T: Zeroed, const N: usize> Zeroed for [T; N] {}

impl<T: Zeroed> Handle<T> {
    /// Puts a value of zeros into `storage`, in place: for large values.
    ///
    /// # Panics
    /// If the value does not fit.
    pub fn zeroed(mut storage: Storage) -> Self {
        assert!(size_of::<T>() <= storage.size && align_of::<T>() <= STORAGE_ALIGNMENT);
        storage.zero();
        Self(storage.into_raw().0.cast())
    }
}

/// A place for a [`Handle`], or for none. What orders accesses is the lock of the data structure
/// that the place is part of.
#[repr(transparent)]
pub struct Link<T>(AtomicPtr<T>);

impl<T> Link<T> {
    /// An empty place.
    pub const fn empty() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// A place with something in it.
    pub const fn new(handle: Handle<T>) -> Self {
        Self(AtomicPtr::new(handle.0.as_ptr()))
    }

    /// What is here.
    #[inline]
    pub fn get(&self) -> Option<Handle<T>> {
        NonNull::new(self.0.load(Ordering::Relaxed)).map(Handle)
    }

    /// Puts something else here.
    #[inline]
    pub fn set(&self, handle: Option<Handle<T>>) {
        let pointer = handle.map_or(ptr::null_mut(), |handle| handle.0.as_ptr());
        self.0.store(pointer, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: PhysicalAddress = PhysicalAddress::new(0x4000_0000);

    #[test]
    fn claimed_storage_comes_back_with_its_place() {
        let memory = KernelMemory::hosted(BASE, 4);
        let mut storage = memory.claim(0x1040, 128);
        storage.zero();
        assert_eq!(
            memory.window().physical(storage.address()),
            BASE.offset(0x1040)
        );
        assert_eq!(memory.reclaim(storage), (0x1040, 128));
    }

    #[test]
    #[should_panic(expected = "assertion failed")]
    fn storage_beyond_the_memory_is_refused() {
        let memory = KernelMemory::hosted(BASE, 1);
        let _ = memory.claim(FRAME_SIZE - 64, 128);
    }

    #[test]
    #[cfg(debug_assertions)]
    #[should_panic(expected = "a freed value was used")]
    fn use_of_a_freed_value_is_noticed() {
        let memory = KernelMemory::hosted(BASE, 1);
        let handle = Handle::new(memory.claim(0, 64), 1_u64);
        let _ = handle.into_storage(64);
        let _ = *handle;
    }

    #[test]
    fn a_slice_has_room_for_all_that_fits() {
        let memory = KernelMemory::hosted(BASE, 1);
        let mut slice = KernelSlice::new(memory.claim(0, 100), 7_u64);
        assert_eq!(slice.len(), 12);
        slice[11] = 8;
        assert_eq!(slice.iter().sum::<u64>(), 7 * 11 + 8);
    }
}
