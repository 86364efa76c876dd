//! Memory of the program: dataspaces attached to its region map.

use l4_abi::flexpage::Flexpage;
use l4_abi::protocol::task::UnmapMask;
use l4_abi::rights::MemoryRights;
use l4_sys::{OwnedCap, Result};
use l4re::mem_alloc::DataspaceFlags;
use l4re::region_map::{Flags, MAPPINGS_START};
use l4re::{Dataspace, PAGE_ORDER, PAGE_SIZE};

use crate::env;

/// Fresh zeroed memory with an unmapped page below it. Dropped, it is given back.
pub(crate) struct Guarded {
    area: u64,
    size: u64,
    dataspace: Option<OwnedCap<Dataspace>>,
}

impl Guarded {
    /// Makes `size` bytes, rounded up to pages.
    pub(crate) fn new(size: u64) -> Result<Self> {
        let size = size.next_multiple_of(PAGE_SIZE);
        let dataspace = env::mem_alloc().create_dataspace(size, DataspaceFlags::empty(), 0)?;
        let search = Flags::SEARCH_ADDRESS.bits();
        let area = env::region_map().reserve_area(
            MAPPINGS_START,
            PAGE_SIZE + size,
            search,
            PAGE_ORDER as u8,
        )?;
        // From here on dropping `this` undoes what has been done.
        let this = Self {
            area,
            size,
            dataspace: Some(dataspace),
        };
        if let Some(dataspace) = &this.dataspace {
            let passed = dataspace.pass(l4_abi::rights::CapabilityRights::RW);
            let flags = Flags::RW | Flags::IN_AREA;
            env::region_map().attach_at(this.start(), passed, 0, size, flags)?;
        }
        Ok(this)
    }

    /// First byte of the memory.
    pub(crate) fn start(&self) -> u64 {
        self.area + PAGE_SIZE
    }

    /// First byte behind the memory.
    pub(crate) fn end(&self) -> u64 {
        self.start() + self.size
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // The dataspace goes first: with it go its pages, wherever they are mapped.
        let _ = env::region_map().detach_range(self.start(), self.size);
        self.dataspace = None;
        unmap(self.start(), self.size);
        let _ = env::region_map().free_area(self.area);
    }
}

/// Unmaps pages from the program's memory, in the largest aligned blocks.
pub fn unmap(start: u64, size: u64) {
    for (address, order) in blocks(start, size) {
        let flexpage = Flexpage::memory(address, order, MemoryRights::RWX);
        let _ = env::task().unmap(flexpage, UnmapMask::ALL_SPACES);
    }
}

/// Cuts a range of pages into aligned blocks of 2^order bytes.
fn blocks(start: u64, size: u64) -> impl Iterator<Item = (u64, u32)> {
    let end = start.saturating_add(size) & !(PAGE_SIZE - 1);
    let mut next = start & !(PAGE_SIZE - 1);
    core::iter::from_fn(move || {
        let left = end.checked_sub(next).filter(|left| *left > 0)?;
        let order = left.ilog2().min(if next == 0 {
            u64::BITS - 1
        } else {
            next.trailing_zeros()
        });
        let block = (next, order);
        next += 1 << order;
        Some(block)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_into_aligned_blocks_without_gaps() {
        let mut next = 0x5000;
        for (address, order) in blocks(0x5000, 0x2b000) {
            assert_eq!(address, next);
            assert_eq!(address % (1 << order), 0);
            next += 1 << order;
        }
        assert_eq!(next, 0x30000);
        assert_eq!(blocks(0x5000, 0x2b000).count(), 5);
        assert_eq!(blocks(0, 0x2000).collect::<Vec<_>>(), [(0, 13)]);
        assert_eq!(blocks(0x1000, 0).count(), 0);
    }
}
