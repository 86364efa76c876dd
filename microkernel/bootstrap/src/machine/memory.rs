//! Physical memory through the identity mapping (or none, on aarch64).

use core::ops::Range;

use bootstrap::memory_map::{Block, PAGE_SIZE, PhysicalMemory};

unsafe extern "C" {
    // From the linker script.
    static __image_start: u8;
    static __image_end: u8;
}

/// Where bootstrap itself lies, up to the page boundary where the module archive starts.
pub(crate) fn image_range() -> Range<u64> {
    let (start, end) = (
        &raw const __image_start as u64,
        &raw const __image_end as u64,
    );
    start..end.next_multiple_of(PAGE_SIZE)
}

/// What firmware or the boot image put at this address.
pub(crate) fn physical(address: u64, size: usize) -> &'static [u8] {
    if address == 0 {
        return &[];
    }
    // SAFETY: physical addresses are mapped one to one, and firmware says that `size` bytes of
    // information lie there. We write only to blocks that do not overlap it (the module archive and
    // the device tree, which are marked in the memory map) or after it has been read for the last
    // time (everything else).
    unsafe { core::slice::from_raw_parts(address as *const u8, size) }
}

/// Physical memory at its own addresses.
pub(crate) struct Identity;

impl PhysicalMemory for Identity {
    fn bytes(&mut self, block: &Block) -> &mut [u8] {
        let range = block.range();
        // SAFETY: a block is RAM that is mapped one to one and that its owner alone uses; two
        // blocks never overlap each other or bootstrap, and the exclusive borrow of `self` keeps
        // the slice the only one.
        unsafe {
            core::slice::from_raw_parts_mut(
                range.start as *mut u8,
                (range.end - range.start) as usize,
            )
        }
    }
}
