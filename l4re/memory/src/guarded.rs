//! Accesses that come back with an error if there is nothing at the address any more.

use core::fmt;

use crate::arch;

/// The bytes are outside of the memory, or it is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inaccessible;

impl fmt::Display for Inaccessible {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("there is no memory at this place")
    }
}

impl core::error::Error for Inaccessible {}

/// What the routines return when they did not come to their end.
const FAILED: u64 = u64::MAX;

/// Copies `length` bytes; if it fails some of them may have been copied.
///
/// # Safety
/// One end is Rust's and valid for the access, the other lies in a mapping that no Rust object
/// overlaps.
pub(crate) unsafe fn copy(target: *mut u8, source: *const u8, length: usize) -> Access {
    // SAFETY: by the contract; where nothing is mapped the routine returns `FAILED`.
    check(unsafe { arch::copy(target, source, length) }).map(drop)
}

/// Reads the aligned 16-bit word at `address` at once, before everything that is read later.
///
/// # Safety
/// It lies in a mapping that no Rust object overlaps.
pub(crate) unsafe fn load(address: *const u16) -> Access<u16> {
    // SAFETY: as for `copy`.
    check(unsafe { arch::load(address) }).map(|word| word as u16)
}

/// Writes the aligned 16-bit word at `address` at once, after everything that was written before.
///
/// # Safety
/// As for [`load`].
pub(crate) unsafe fn store(address: *mut u16, word: u16) -> Access {
    // SAFETY: as for `copy`.
    check(unsafe { arch::store(address, word) }).map(drop)
}

/// Writes all that caches have of the addresses from `start` to `end` back, and forgets it there.
///
/// # Safety
/// They lie in a mapping that no Rust object overlaps.
pub(crate) unsafe fn clean(start: u64, end: u64) -> Access {
    // SAFETY: as for `copy`.
    check(unsafe { arch::clean(start, end) }).map(drop)
}

type Access<T = ()> = core::result::Result<T, Inaccessible>;

fn check(result: u64) -> Access<u64> {
    if result == FAILED {
        Err(Inaccessible)
    } else {
        Ok(result)
    }
}
