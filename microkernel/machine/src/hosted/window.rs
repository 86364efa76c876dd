//! What the tests of ACPI tables have for physical memory.

use std::cell::RefCell;
use std::vec::Vec;

std::thread_local! {
    static MEMORY: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// From address 0 on this is all there is.
pub(super) fn set_memory(bytes: Vec<u8>) {
    MEMORY.set(bytes);
}

/// Lets `look` see as many of `bytes` from `physical` on as there are.
pub(super) unsafe fn with_memory<R>(
    physical: u64,
    bytes: usize,
    look: impl FnOnce(&[u8]) -> R,
) -> Option<R> {
    let memory = MEMORY.with_borrow(Vec::clone);
    let start = usize::try_from(physical).ok()?.min(memory.len());
    let end = start.saturating_add(bytes).min(memory.len());
    Some(look(&memory[start..end]))
}
