//! Kernel memory: one contiguous block of RAM, and the typed views of it.
//!
//! The block is mapped once, at boot, so physical and kernel addresses differ by a constant
//! ([`Window`]). Who owns which part is the kernel's heap to decide: it holds the one
//! [`KernelMemory`] and makes [`Storage`] out of it. Storage is moved, never copied, so each part
//! has one owner at a time.
//!
//! Data structures whose parts refer to each other (page tables, mapping nodes, quotas) use
//! [`Handle`](crate::handle::Handle)s: plain pointers that may be copied.

use core::ops::{Deref, Range};
use core::ptr::NonNull;
use core::sync::atomic::AtomicU64;

use crate::address::PhysicalAddress;
use crate::per_cpu::PerCpu;

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
    pub(crate) give_back: Option<unsafe fn(NonNull<u8>, usize)>,
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
                && offset.saturating_add(size) <= self.frames * FRAME_SIZE
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

    /// Where it starts, for the machine's own use.
    pub(crate) fn pointer(&self) -> NonNull<u8> {
        self.start
    }

    /// The first `size` bytes, and the rest.
    ///
    /// # Panics
    /// If it has no more, or `size` is not a multiple of
    /// [`STORAGE_ALIGNMENT`].
    pub fn split(self, size: usize) -> (Self, Self) {
        assert!(size < self.size && size.is_multiple_of(STORAGE_ALIGNMENT));
        // SAFETY: inside the storage, which becomes two.
        unsafe {
            let rest = Self::from_raw(self.start.add(size), self.size - size);
            (Self::from_raw(self.start, size), rest)
        }
    }

    /// Becomes as many values as fit, which `element` makes. They stay for the rest of the kernel's
    /// life, as far as safe code can tell.
    ///
    /// # Panics
    /// If `T` wants more alignment than storage has.
    pub fn into_slice<T>(self, element: impl Fn(usize) -> T) -> &'static mut [T] {
        assert!(align_of::<T>() <= STORAGE_ALIGNMENT && size_of::<T>() > 0);
        let (first, length) = (self.start.cast::<T>(), self.size / size_of::<T>());
        // SAFETY: inside the storage, which is ours, and aligned.
        unsafe {
            for index in 0..length {
                first.add(index).write(element(index));
            }
            core::slice::from_raw_parts_mut(first.as_ptr(), length)
        }
    }

    /// Becomes one value in the same way.
    ///
    /// # Panics
    /// If it does not fit.
    pub fn into_value<T>(self, value: T) -> &'static mut T {
        assert!(size_of::<T>() <= self.size && align_of::<T>() <= STORAGE_ALIGNMENT);
        let mut place = self.start.cast::<T>();
        // SAFETY: the value fits into the storage, which is ours.
        unsafe {
            place.write(value);
            place.as_mut()
        }
    }

    /// Fills it with zeros.
    #[inline]
    pub fn zero(&mut self) {
        // SAFETY: the memory is ours.
        unsafe { self.start.write_bytes(0, self.size) }
    }

    /// Fills these bytes of it with zeros.
    ///
    /// # Panics
    /// If they are not all inside.
    pub fn zero_part(&mut self, part: Range<usize>) {
        assert!(part.start <= part.end && part.end <= self.size);
        // SAFETY: inside the memory, which is ours.
        unsafe { self.start.add(part.start).write_bytes(0, part.len()) }
    }
}

/// Kernel memory that is mapped to user mode as well: UTCBs, vCPU states.
pub struct SharedMemory(Storage);

/// What may lie in [`SharedMemory`].
///
/// # Safety
/// All bytes are in atomics, and any bytes are a value.
pub unsafe trait Shared {}

// SAFETY: an atomic number.
unsafe impl Shared for AtomicU64 {}
// SAFETY: as its elements.
unsafe impl<T: Shared, const N: usize> Shared for [T; N] {}

impl SharedMemory {
    /// Shares `storage`, which the caller has cleared.
    pub fn new(storage: Storage) -> SharedMemory {
        SharedMemory(storage)
    }

    /// Where the kernel finds it.
    pub fn address(&self) -> usize {
        self.0.address()
    }

    /// Its bytes.
    pub fn size(&self) -> usize {
        self.0.size()
    }

    /// The `T` at `offset`, if it lies inside and is aligned.
    pub fn get<T: Shared>(&self, offset: usize) -> Option<SharedPointer<T>> {
        let fits = size_of::<T>() <= self.0.size() && offset <= self.0.size() - size_of::<T>();
        let start = self.0.address().wrapping_add(offset);
        (fits && start.is_multiple_of(align_of::<T>())).then(|| {
            // SAFETY: inside the storage.
            SharedPointer(unsafe { self.0.start.add(offset) }.cast())
        })
    }

    /// Ends the sharing.
    pub fn into_storage(self) -> Storage {
        self.0
    }
}

/// A pointer into [`SharedMemory`]. By the rule of
/// [`Handle`](crate::handle::Handle)s it goes out of use before the
/// memory does: whoever has it has a reference to the task that the memory belongs to.
#[repr(transparent)]
pub struct SharedPointer<T>(NonNull<T>);

impl<T> SharedPointer<T> {
    /// Where the kernel finds the value.
    pub fn address(this: Self) -> usize {
        this.0.addr().get()
    }
}

impl<T: Shared> SharedPointer<T> {
    /// To a value that nobody else maps, and that stays.
    pub const fn to_static(value: &'static T) -> Self {
        Self(NonNull::from_ref(value))
    }

    /// The value, until the kernel entry ends.
    #[inline]
    pub fn get<L>(self, _cpu: &PerCpu<L>) -> &T {
        // SAFETY: as in `deref`. The memory is freed with its task, which
        // stays for the entry in which somebody had a reference to it.
        unsafe { self.0.as_ref() }
    }
}

impl<T> Clone for SharedPointer<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for SharedPointer<T> {}

impl<T: Shared> Deref for SharedPointer<T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: inside shared memory, which is there by the rule above; user mode may have
        // put any bytes there.
        unsafe { self.0.as_ref() }
    }
}

// SAFETY: shared values are atomics.
unsafe impl<T: Shared> Send for SharedPointer<T> {}
// SAFETY: likewise.
unsafe impl<T: Shared> Sync for SharedPointer<T> {}

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
    fn storage_splits_into_two_that_meet() {
        let memory = KernelMemory::hosted(BASE, 1);
        let (first, rest) = memory.claim(0, 0x1000).split(0x240);
        assert_eq!((first.size(), rest.size()), (0x240, 0xdc0));
        assert_eq!(first.address() + 0x240, rest.address());
    }

    #[test]
    #[should_panic(expected = "assertion failed")]
    fn storage_beyond_the_memory_is_refused() {
        let memory = KernelMemory::hosted(BASE, 1);
        let _ = memory.claim(FRAME_SIZE - 64, 128);
    }

    #[test]
    fn shared_memory_gives_out_what_lies_inside_only() {
        let memory = KernelMemory::hosted(BASE, 1);
        let shared = SharedMemory::new(memory.claim(0, FRAME_SIZE));
        type Words = [AtomicU64; 128];
        let last = FRAME_SIZE - size_of::<Words>();
        assert_eq!(
            SharedPointer::address(shared.get::<Words>(last).unwrap()),
            shared.address() + last
        );
        for offset in [
            last + 1,
            last + 8,
            FRAME_SIZE,
            usize::MAX - 7,
            usize::MAX,
            4,
            1,
        ] {
            assert!(shared.get::<Words>(offset).is_none(), "{offset}");
        }
        assert!(shared.get::<[AtomicU64; 513]>(0).is_none());
        let _ = shared.into_storage();
    }

    #[test]
    fn a_slice_has_room_for_all_that_fits() {
        let memory = KernelMemory::hosted(BASE, 1);
        let slice = memory.claim(0, 100).into_slice(|index| index as u64);
        assert_eq!(slice.len(), 12);
        slice[11] = 12;
        assert_eq!(slice.iter().sum::<u64>(), (0..=10).sum::<u64>() + 12);
    }
}
