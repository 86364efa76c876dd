//! A dataspace in this program's memory.

use alloc::vec::Vec;

use l4_rt::{CapabilityRights, ResultCode, env, memory};
use l4_sys::{Cap, Result};
use l4re::region_map::Flags;
use l4re::{Dataspace, PAGE_SIZE};

use crate::guarded::{self, Inaccessible};

/// A dataspace, or a part of one, mapped. Dropped, it is unmapped.
#[derive(Debug)]
pub struct Shared {
    /// Of the mapping, which begins at a page.
    mapping: u64,
    start: u64,
    size: u64,
    is_writable: bool,
}

/// Whether an access was possible.
pub type Access<T = ()> = core::result::Result<T, Inaccessible>;

impl Shared {
    /// Maps `dataspace` to be read.
    pub fn read_only(dataspace: Cap<Dataspace>) -> Result<Self> {
        Self::map(dataspace, 0, dataspace.size()?, Flags::READ)
    }

    /// Maps `dataspace` to be read and written. Error: EACCESS if that is not allowed.
    pub fn writable(dataspace: Cap<Dataspace>) -> Result<Self> {
        Self::map(dataspace, 0, dataspace.size()?, Flags::RW)
    }

    /// Maps `size` bytes of somebody else's `dataspace` from `offset` on, to be read and written.
    ///
    /// The dataspace itself is asked nothing: its owner need not answer. If there are fewer bytes in
    /// it, or they are taken away later, the accesses fail that try.
    ///
    /// # Errors
    /// EACCESS if it cannot be written; EINVAL if the range is empty or wraps around, and if the
    /// dataspace is none of the region map's own server.
    pub fn part(dataspace: Cap<Dataspace>, offset: u64, size: u64) -> Result<Self> {
        Self::map(dataspace, offset, size, Flags::RW)
    }

    /// Maps `dataspace`, to be read and written, such that it can be mapped on to a virtual machine: at a
    /// multiple of 2^`order` bytes, and with the right to execute, which a mapping has from where it
    /// was mapped.
    pub fn for_guest(dataspace: Cap<Dataspace>, order: u32) -> Result<Self> {
        guarded::prepare()?;
        let (size, passed) = (dataspace.size()?, dataspace.pass(CapabilityRights::RW));
        let flags = Flags::RW | Flags::EXECUTE;
        let mapping = env::region_map().attach_aligned(passed, size, flags, order)?;
        Ok(Self {
            mapping,
            start: mapping,
            size,
            is_writable: true,
        })
    }

    /// Where it begins in the program's memory, for system calls.
    pub fn address(&self) -> u64 {
        self.start
    }

    fn map(dataspace: Cap<Dataspace>, offset: u64, size: u64, flags: Flags) -> Result<Self> {
        guarded::prepare()?;
        let rights = if flags.contains(Flags::WRITE) {
            CapabilityRights::RW
        } else {
            CapabilityRights::READ
        };
        // A mapping begins at a page, so it may be larger than what is to be seen.
        let before = offset % PAGE_SIZE;
        let whole = size.checked_add(before);
        let whole = whole.ok_or(ResultCode::EINVAL)?;
        let (first, passed) = (offset - before, dataspace.pass(rights));
        let mapping = env::region_map().attach_anywhere(passed, first, whole, flags)?;
        Ok(Self {
            mapping,
            start: mapping + before,
            size,
            is_writable: flags.contains(Flags::WRITE),
        })
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
    /// If they do not all lie in the dataspace.
    pub fn read(&self, offset: u64, target: &mut [u8]) {
        let length = target.len();
        self.expect(self.try_read(offset, target), offset, length);
    }

    /// Copies `source` to `offset`.
    ///
    /// # Panics
    /// If it does not lie in the dataspace, or that was mapped to be read only.
    pub fn write(&self, offset: u64, source: &[u8]) {
        assert!(self.is_writable, "the dataspace is mapped to be read only");
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
                "{length} bytes at offset {offset:#x} are not in a dataspace of {:#x} bytes",
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

impl Drop for Shared {
    fn drop(&mut self) {
        let size = self.start - self.mapping + self.size;
        let size = size.next_multiple_of(PAGE_SIZE);
        let _ = env::region_map().detach_range(self.mapping, size);
        memory::unmap(self.mapping, size);
    }
}
