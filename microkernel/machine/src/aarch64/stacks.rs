//! Kernel stacks. The boot CPU's is in the image; each of the others has a
//! slot in a range of addresses of their own, the lower half of which is not
//! mapped.

use core::sync::atomic::{AtomicU64, Ordering};

use super::kernel_space::{Access, KernelSpace};
use super::start;
use crate::quiescence::MAX_CPUS;

/// Bytes of a kernel stack.
pub(super) const STACK_SIZE: usize = 32 * 1024;
/// Bytes from one CPU's slot to the next one's.
const SLOT: u64 = 2 * STACK_SIZE as u64;
/// The first slot. The end of the kernel's addresses, where no memory is.
const START: u64 = (1 << 48) - MAX_CPUS as u64 * SLOT;
const END: u64 = 1 << 48;

/// A bit for each CPU whose slot has a stack.
static MAPPED: AtomicU64 = AtomicU64::new(0);

/// Maps the stack of CPU `id`, which is not the boot CPU, and whose memory is
/// at `physical`; where it ends.
pub(super) fn map(space: &mut KernelSpace, id: u32, physical: u64) -> u64 {
    let end = START + (u64::from(id) + 1) * SLOT;
    let size = STACK_SIZE as u64;
    space.map_at(end - size, physical, size, Access::Data);
    MAPPED.fetch_or(1 << id, Ordering::Relaxed);
    end
}

/// Whether a frame record of two words can lie at `address` on a kernel
/// stack.
pub(crate) fn is_on_stack(address: u64) -> bool {
    let start = if (START..END).contains(&address) {
        let id = (address - START) / SLOT;
        if MAPPED.load(Ordering::Relaxed) & 1 << id == 0 {
            return false;
        }
        START + id * SLOT + STACK_SIZE as u64
    } else {
        start::stack_top() - STACK_SIZE as u64
    };
    (start..=start + STACK_SIZE as u64 - 16).contains(&address)
}
