//! Kernel stacks. The boot CPU's is in the image; each of the others has a
//! slot in a range of addresses of their own, the lower half of which is not
//! mapped.

use core::sync::atomic::{AtomicU64, Ordering};

use super::paging::{STACK_START, STACK_TABLES, entry};
use super::start;
use crate::memory::FRAME_SIZE;
use crate::quiescence::MAX_CPUS;

/// Bytes of a kernel stack.
pub(super) const STACK_SIZE: usize = 32 * 1024;
/// Bytes from one CPU's slot to the next one's.
const SLOT: usize = 2 * STACK_SIZE;

const _: () = assert!(MAX_CPUS * SLOT == STACK_TABLES.len() * 512 * FRAME_SIZE);

/// A bit for each CPU whose slot has a stack.
static MAPPED: AtomicU64 = AtomicU64::new(0);

/// Maps the stack of CPU `id`, which is not the boot CPU, and whose memory is
/// at `physical`; where it ends.
pub(super) fn map(id: u32, physical: u64) -> u64 {
    let end = (id as usize + 1) * SLOT;
    for offset in (0..STACK_SIZE).step_by(FRAME_SIZE) {
        let page = (end - STACK_SIZE + offset) / FRAME_SIZE;
        STACK_TABLES[page / 512].set(page % 512, (physical + offset as u64) | entry::DATA);
    }
    MAPPED.fetch_or(1 << id, Ordering::Relaxed);
    STACK_START + end as u64
}

/// Whether a frame record of two words can lie at `address` on a kernel
/// stack.
pub(crate) fn is_on_stack(address: u64) -> bool {
    let start = match address.checked_sub(STACK_START) {
        Some(offset) if offset < (MAX_CPUS * SLOT) as u64 => {
            let id = offset / SLOT as u64;
            if MAPPED.load(Ordering::Relaxed) & 1 << id == 0 {
                return false;
            }
            STACK_START + id * SLOT as u64 + STACK_SIZE as u64
        }
        _ => start::stack_top() - STACK_SIZE as u64,
    };
    (start..=start + STACK_SIZE as u64 - 16).contains(&address)
}
