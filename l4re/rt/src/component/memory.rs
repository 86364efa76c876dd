//! Memory of a component: dataspaces attached to its region map.

use alloc::boxed::Box;

use l4_abi::flexpage::{Flexpage, PAGE_ORDER, PAGE_SIZE};
use l4_abi::rights::{CapabilityRights, MemoryRights};
use l4_sys::{OwnedCap, Result};
use l4re::Dataspace;
use l4re::mem_alloc::DataspaceFlags;
use l4re::region_map::{Flags, MAPPINGS_START};

use crate::env;
use crate::memory::unmap;
use crate::place::Stack;

/// See [`Place::grow`](crate::place::Place::grow).
pub(super) fn grow(at: u64, size: u64) -> Result<u64> {
    let dataspace = env::mem_alloc().create_dataspace(size, DataspaceFlags::empty(), 0)?;
    let passed = dataspace.pass(CapabilityRights::RW);
    let start = env::region_map().attach_at(at, passed, 0, size, Flags::RW)?;
    dataspace.leak();
    Ok(start)
}

/// See [`Place::stack`](crate::place::Place::stack).
pub(super) fn stack(size: u64) -> Result<Box<dyn Stack>> {
    Ok(Box::new(Guarded::new(size)?))
}

/// See [`Place::kernel_user_page`](crate::place::Place::kernel_user_page).
pub(super) fn kernel_user_page() -> Result<u64> {
    let flags = Flags::SEARCH_ADDRESS.bits();
    let address =
        env::region_map().reserve_area(MAPPINGS_START, PAGE_SIZE, flags, PAGE_ORDER as u8)?;
    let page = Flexpage::memory(address, PAGE_ORDER, MemoryRights::RW);
    if let Err(error) = env::task().add_kernel_user_memory(page) {
        let _ = env::region_map().free_area(address);
        return Err(error);
    }
    Ok(address)
}

/// Fresh zeroed memory with an unmapped page below it. Dropped, it is given back.
struct Guarded {
    area: u64,
    size: u64,
    dataspace: Option<OwnedCap<Dataspace>>,
}

impl Guarded {
    /// Makes `size` bytes, rounded up to pages.
    fn new(size: u64) -> Result<Self> {
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
            let passed = dataspace.pass(CapabilityRights::RW);
            let flags = Flags::RW | Flags::IN_AREA;
            env::region_map().attach_at(this.start(), passed, 0, size, flags)?;
        }
        Ok(this)
    }

    /// First byte of the memory.
    fn start(&self) -> u64 {
        self.area + PAGE_SIZE
    }
}

impl Stack for Guarded {
    fn end(&self) -> u64 {
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
