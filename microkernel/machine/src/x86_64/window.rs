//! Physical memory that the kernel looks at: devices for good, firmware
//! tables for a moment, during boot.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering};

use super::invalidate;
use super::paging::{DEVICE_START, DEVICE_TABLE, entry};

const PAGE: u64 = 4096;
const PAGES: usize = 512;

/// Pages that are in use. Only the boot CPU maps, one thing after another.
static USED: AtomicUsize = AtomicUsize::new(0);

/// Maps as many of `bytes` from `physical` on as there is room for.
fn map(physical: u64, bytes: usize, bits: u64) -> (NonNull<u8>, usize) {
    let offset = (physical % PAGE) as usize;
    let first = USED.load(Ordering::Relaxed);
    let wanted = bytes.saturating_add(offset).div_ceil(PAGE as usize);
    let count = wanted.min(PAGES - first);
    for index in 0..count {
        let page = (physical - offset as u64) + index as u64 * PAGE;
        DEVICE_TABLE.set(first + index, page | bits);
    }
    USED.store(first + count, Ordering::Relaxed);
    let start = DEVICE_START + first as u64 * PAGE + offset as u64;
    let start = NonNull::new(start as *mut u8).expect("not the first page");
    (
        start,
        bytes.min((count * PAGE as usize).saturating_sub(offset)),
    )
}

/// Maps device registers for good.
///
/// # Panics
/// If there is no room left.
pub(super) fn map_device(physical: u64, bytes: usize) -> NonNull<u8> {
    let (start, mapped) = map(physical, bytes, entry::DEVICE);
    assert!(
        mapped == bytes,
        "too many devices for the kernel's device window"
    );
    start
}

/// Lets `look` see as many of `bytes` from `physical` on as there is room
/// for. `None` if these cannot be physical addresses.
///
/// # Safety
/// Nothing writes to the memory meanwhile.
pub(super) unsafe fn with_memory<R>(
    physical: u64,
    bytes: usize,
    look: impl FnOnce(&[u8]) -> R,
) -> Option<R> {
    const PHYSICAL_LIMIT: u64 = 1 << 52;
    if physical.checked_add(bytes as u64)? > PHYSICAL_LIMIT {
        return None;
    }
    let (first, (start, mapped)) = begin(physical, bytes, entry::CONSTANTS);
    // SAFETY: mapped, readable, and constant by the caller's promise.
    let result = look(unsafe { core::slice::from_raw_parts(start.as_ptr(), mapped) });
    end(first);
    Some(result)
}

/// Fills the frame at `physical` with the words that `word` gives.
///
/// # Safety
/// Nothing else uses the frame.
pub(super) unsafe fn fill_frame(physical: u64, word: impl Fn(usize) -> u64) {
    let (first, (start, _)) = begin(physical, PAGE as usize, entry::DATA);
    for index in 0..PAGE as usize / 8 {
        // SAFETY: mapped, writable, and ours by the caller's promise.
        unsafe { start.cast::<u64>().add(index).write_volatile(word(index)) };
    }
    end(first);
}

pub(super) fn begin(physical: u64, bytes: usize, bits: u64) -> (usize, (NonNull<u8>, usize)) {
    (USED.load(Ordering::Relaxed), map(physical, bytes, bits))
}

/// Unmaps what was mapped since `first` was the number of pages.
pub(super) fn end(first: usize) {
    for index in first..USED.load(Ordering::Relaxed) {
        DEVICE_TABLE.set(index, 0);
        invalidate::kernel_page(DEVICE_START + index as u64 * PAGE);
    }
    USED.store(first, Ordering::Relaxed);
}
