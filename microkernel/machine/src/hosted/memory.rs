//! Kernel memory that is memory of the test process.

use core::ptr::NonNull;
use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};

use crate::address::PhysicalAddress;
use crate::memory::{FRAME_SIZE, KERNEL_MEMORY_ALIGNMENT, KernelMemory};

impl KernelMemory {
    /// Memory of this process, as if it were RAM at `physical`.
    ///
    /// # Panics
    /// If `physical` is not aligned as kernel memory is, or the process has no memory left.
    pub fn hosted(physical: PhysicalAddress, frames: usize) -> KernelMemory {
        fn layout(size: usize) -> Layout {
            Layout::from_size_align(size, 1 << KERNEL_MEMORY_ALIGNMENT).expect("a sensible size")
        }
        /// # Safety
        /// The memory is that of `KernelMemory::hosted`.
        unsafe fn give_back(start: NonNull<u8>, size: usize) {
            // SAFETY: allocated below with the same layout.
            unsafe { dealloc(start.as_ptr(), layout(size)) }
        }

        assert!(
            frames > 0
                && physical
                    .as_u64()
                    .is_multiple_of(1 << KERNEL_MEMORY_ALIGNMENT)
        );
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
