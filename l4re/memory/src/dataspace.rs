//! Views of dataspaces.

use alloc::boxed::Box;
use core::sync::atomic::{AtomicBool, Ordering};

use l4_abi::flexpage::PAGE_SIZE;
use l4_rt::{CapabilityRights, ResultCode, env, unmap};
use l4_sys::{Cap, Error, Result};
use l4re::Dataspace;
use l4re::region_map::Flags;

use crate::arch;
use crate::shared::{Origin, Shared};

/// What is mapped from `start` on, a page's address.
#[derive(Debug)]
struct Mapping {
    start: u64,
    size: u64,
}

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
        prepare()?;
        let (size, passed) = (dataspace.size()?, dataspace.pass(CapabilityRights::RW));
        let flags = Flags::RW | Flags::EXECUTE;
        let start = env::region_map().attach_aligned(passed, size, flags, order)?;
        Ok(Self::new(Mapping { start, size }, 0, size, true))
    }

    fn map(dataspace: Cap<Dataspace>, offset: u64, size: u64, flags: Flags) -> Result<Self> {
        prepare()?;
        let is_writable = flags.contains(Flags::WRITE);
        let rights = match is_writable {
            true => CapabilityRights::RW,
            false => CapabilityRights::READ,
        };
        // A mapping begins at a page, so it may be larger than what is to be seen.
        let before = offset % PAGE_SIZE;
        let whole = size.checked_add(before).ok_or(ResultCode::EINVAL)?;
        let (first, passed) = (offset - before, dataspace.pass(rights));
        let start = env::region_map().attach_anywhere(passed, first, whole, flags)?;
        let mapping = Mapping { start, size: whole };
        Ok(Self::new(mapping, before, size, is_writable))
    }

    fn new(mapping: Mapping, before: u64, size: u64, is_writable: bool) -> Self {
        Self {
            start: mapping.start + before,
            size,
            is_writable,
            _origin: Some(Box::new(mapping)),
        }
    }
}

impl Origin for Mapping {}

impl Drop for Mapping {
    fn drop(&mut self) {
        let size = self.size.next_multiple_of(PAGE_SIZE);
        let _ = env::region_map().detach_range(self.start, size);
        unmap(self.start, size);
    }
}

/// Makes the region map let threads that fail in a routine continue with the error.
fn prepare() -> Result<()> {
    static PREPARED: AtomicBool = AtomicBool::new(false);
    let Some((first, end, target)) = arch::routines() else {
        return Ok(());
    };
    if PREPARED.load(Ordering::Relaxed) {
        return Ok(());
    }
    match env::region_map().add_rescue_jump(first, end, target) {
        // Another thread was faster.
        Ok(()) | Err(Error::Result(ResultCode::EEXIST)) => {
            PREPARED.store(true, Ordering::Relaxed);
            Ok(())
        }
        Err(error) => Err(error),
    }
}
