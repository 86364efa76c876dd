//! A dataspace in this program's memory.

use alloc::vec::Vec;
use core::ptr;

use l4_rt::{CapabilityRights, env, memory};
use l4_sys::{Cap, Result};
use l4re::Dataspace;
use l4re::region_map::Flags;

/// The whole of a dataspace, mapped. Dropped, it is unmapped.
#[derive(Debug)]
pub struct Shared {
    start: u64,
    size: u64,
    is_writable: bool,
}

impl Shared {
    /// Maps `dataspace` to be read.
    pub fn read_only(dataspace: Cap<Dataspace>) -> Result<Self> {
        Self::map(dataspace, CapabilityRights::READ, Flags::READ)
    }

    /// Maps `dataspace` to be read and written. Error: EACCESS if that is not allowed.
    pub fn writable(dataspace: Cap<Dataspace>) -> Result<Self> {
        Self::map(dataspace, CapabilityRights::RW, Flags::RW)
    }

    fn map(dataspace: Cap<Dataspace>, rights: CapabilityRights, flags: Flags) -> Result<Self> {
        let size = dataspace.size()?;
        let start = env::region_map().attach_anywhere(dataspace.pass(rights), 0, size, flags)?;
        Ok(Self {
            start,
            size,
            is_writable: flags.contains(Flags::WRITE),
        })
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Copies bytes from `offset` on into `target`.
    ///
    /// # Panics
    /// If they do not all lie in the dataspace.
    pub fn read(&self, offset: u64, target: &mut [u8]) {
        let source = self.place(offset, target.len()) as *const u8;
        // SAFETY: checked to lie in the mapping, which a Rust object never overlaps.
        unsafe { ptr::copy_nonoverlapping(source, target.as_mut_ptr(), target.len()) }
    }

    /// Copies `source` to `offset`.
    ///
    /// # Panics
    /// If it does not lie in the dataspace, or that was mapped to be read only.
    pub fn write(&self, offset: u64, source: &[u8]) {
        assert!(self.is_writable, "the dataspace is mapped to be read only");
        let target = self.place(offset, source.len());
        // SAFETY: as for `read`.
        unsafe { ptr::copy_nonoverlapping(source.as_ptr(), target, source.len()) }
    }

    /// Reads the word at `offset`, a multiple of 8, at once.
    ///
    /// # Panics
    /// As [`read`](Self::read).
    pub fn read_word(&self, offset: u64) -> u64 {
        assert!(offset.is_multiple_of(8));
        // SAFETY: aligned, and checked to lie in the mapping.
        unsafe { self.place(offset, 8).cast::<u64>().read_volatile() }
    }

    /// Writes the word at `offset`, a multiple of 8, at once.
    ///
    /// # Panics
    /// As [`write`](Self::write).
    pub fn write_word(&self, offset: u64, word: u64) {
        assert!(self.is_writable && offset.is_multiple_of(8));
        // SAFETY: aligned, and checked to lie in the mapping.
        unsafe { self.place(offset, 8).cast::<u64>().write_volatile(word) }
    }

    /// A copy of all its bytes.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = alloc::vec![0; self.size as usize];
        self.read(0, &mut bytes);
        bytes
    }

    fn place(&self, offset: u64, length: usize) -> *mut u8 {
        let end = offset.checked_add(length as u64);
        assert!(
            end.is_some_and(|end| end <= self.size),
            "{length} bytes at offset {offset:#x} are not in a dataspace of {:#x} bytes",
            self.size
        );
        (self.start + offset) as *mut u8
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let _ = env::region_map().detach_range(self.start, self.size);
        memory::unmap(self.start, self.size);
    }
}
