//! A view of memory.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt::Debug;

use crate::guarded::{self, Inaccessible};

/// A part of this program's memory that is shared.
#[derive(Debug)]
pub struct Shared {
    pub(crate) start: u64,
    pub(crate) size: u64,
    pub(crate) is_writable: bool,
    /// Where it comes from; with that goes the mapping.
    pub(crate) _origin: Option<Box<dyn Origin>>,
}

/// What a mapping is of. Dropped, it is unmapped.
pub(crate) trait Origin: Debug + Send + Sync {}

/// Whether an access was possible.
pub type Access<T = ()> = core::result::Result<T, Inaccessible>;

impl Shared {
    /// Where it begins in the program's memory, for system calls.
    pub fn address(&self) -> u64 {
        self.start
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Copies bytes from `offset` on into `target`, if they are all there.
    pub fn try_read(&self, offset: u64, target: &mut [u8]) -> Access {
        let source = self.place(offset, target.len())?;
        // SAFETY: `target` is ours, and the mapping is overlapped by no Rust object.
        unsafe { guarded::copy(target.as_mut_ptr(), source, target.len()) }
    }

    /// Copies `source` to `offset`, if it fits there and can be written.
    pub fn try_write(&self, offset: u64, source: &[u8]) -> Access {
        let target = self.writable_place(offset, source.len())?;
        // SAFETY: as for `try_read`.
        unsafe { guarded::copy(target, source.as_ptr(), source.len()) }
    }

    /// Reads the 16-bit word at `offset` at once, before everything that is read later.
    /// An error also if it is not aligned.
    pub fn try_load(&self, offset: u64) -> Access<u16> {
        let place = aligned(self.place(offset, 2)?)?;
        // SAFETY: aligned, and in the mapping.
        unsafe { guarded::load(place) }
    }

    /// Writes the 16-bit word at `offset` at once, after everything that was written before.
    /// An error also if it is not aligned.
    pub fn try_store(&self, offset: u64, word: u16) -> Access {
        let place = aligned(self.writable_place(offset, 2)?)?;
        // SAFETY: aligned, and in the mapping.
        unsafe { guarded::store(place, word) }
    }

    /// Writes all of it that caches have back to memory, for who will look at it with caches off.
    pub fn clean(&self) -> Access {
        // SAFETY: the mapping.
        unsafe { guarded::clean(self.start, self.start + self.size) }
    }

    /// Copies bytes from `offset` on into `target`.
    ///
    /// # Panics
    /// If they do not all lie in the mapping.
    pub fn read(&self, offset: u64, target: &mut [u8]) {
        let length = target.len();
        self.expect(self.try_read(offset, target), offset, length);
    }

    /// Copies `source` to `offset`.
    ///
    /// # Panics
    /// If it does not lie in the mapping, or that is to be read only.
    pub fn write(&self, offset: u64, source: &[u8]) {
        assert!(self.is_writable, "the memory is mapped to be read only");
        self.expect(self.try_write(offset, source), offset, source.len());
    }

    /// Reads the word at `offset`, a multiple of 8, at once.
    ///
    /// # Panics
    /// As [`read`](Self::read).
    pub fn read_word(&self, offset: u64) -> u64 {
        assert!(offset.is_multiple_of(8));
        let place = self.expect(self.place(offset, 8), offset, 8);
        // SAFETY: aligned, and checked to lie in the mapping.
        unsafe { place.cast::<u64>().read_volatile() }
    }

    /// Writes the word at `offset`, a multiple of 8, at once.
    ///
    /// # Panics
    /// As [`write`](Self::write).
    pub fn write_word(&self, offset: u64, word: u64) {
        assert!(self.is_writable && offset.is_multiple_of(8));
        let place = self.expect(self.place(offset, 8), offset, 8);
        // SAFETY: aligned, and checked to lie in the mapping.
        unsafe { place.cast::<u64>().write_volatile(word) }
    }

    /// A copy of all its bytes.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = alloc::vec![0; self.size as usize];
        self.read(0, &mut bytes);
        bytes
    }

    fn expect<T>(&self, access: Access<T>, offset: u64, length: usize) -> T {
        access.unwrap_or_else(|_| {
            panic!(
                "{length} bytes at offset {offset:#x} are not in a mapping of {:#x} bytes",
                self.size
            )
        })
    }

    fn writable_place(&self, offset: u64, length: usize) -> Access<*mut u8> {
        if self.is_writable {
            self.place(offset, length)
        } else {
            Err(Inaccessible)
        }
    }

    fn place(&self, offset: u64, length: usize) -> Access<*mut u8> {
        match offset.checked_add(length as u64) {
            Some(end) if end <= self.size => Ok((self.start + offset) as *mut u8),
            _ => Err(Inaccessible),
        }
    }
}

fn aligned(place: *mut u8) -> Access<*mut u16> {
    let place = place.cast::<u16>();
    place.is_aligned().then_some(place).ok_or(Inaccessible)
}
