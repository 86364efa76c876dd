//! Leaves of extended page tables, from and to those of others (SDM volume 3,
//! 29.3.2). What allows reading and writing, and what tells that a leaf is large,
//! is in the same place; tables are the same.

use super::{
    ACCESS_SHIFT, ADDRESS, CACHE_DISABLE, Format, LARGE, NO_EXECUTE, PRESENT, USER, WRITABLE,
    WRITE_THROUGH,
};

const SAME: u64 = ADDRESS | LARGE | WRITABLE | PRESENT;
const EXECUTE: u64 = 1 << 2;
const KIND: u64 = 7 << 3;
const WRITE_COMBINING: u64 = 1 << 3;
const WRITE_BACK: u64 = 6 << 3;
/// Where hardware notes accesses.
const EXTENDED_ACCESS_SHIFT: u32 = 8;
const ACCESS: u64 = 3;

impl Format {
    /// The same as extended tables.
    #[must_use]
    pub fn extended(self) -> Format {
        Format {
            is_extended: true,
            ..self
        }
    }

    /// A leaf as it is in tables of this format.
    #[inline(always)]
    pub(super) fn in_own_form(&self, leaf: u64) -> u64 {
        if self.is_extended { extend(leaf) } else { leaf }
    }

    /// The reverse.
    #[inline(always)]
    pub(super) fn to_plain(self, leaf: u64) -> u64 {
        if self.is_extended { reduce(leaf) } else { leaf }
    }

    #[inline(always)]
    pub(super) fn access_shift(&self) -> u32 {
        if self.is_extended {
            EXTENDED_ACCESS_SHIFT
        } else {
            ACCESS_SHIFT
        }
    }
}

#[cold]
fn extend(leaf: u64) -> u64 {
    let kind = match leaf & (WRITE_THROUGH | CACHE_DISABLE) {
        0 => WRITE_BACK,
        WRITE_THROUGH => WRITE_COMBINING,
        _ => 0,
    };
    let execute = if leaf & NO_EXECUTE == 0 { EXECUTE } else { 0 };
    leaf & SAME | kind | execute | (leaf >> ACCESS_SHIFT & ACCESS) << EXTENDED_ACCESS_SHIFT
}

#[cold]
fn reduce(extended: u64) -> u64 {
    let cache = match extended & KIND {
        WRITE_BACK => 0,
        WRITE_COMBINING => WRITE_THROUGH,
        _ => WRITE_THROUGH | CACHE_DISABLE,
    };
    let no_execute = match extended & EXECUTE {
        0 => NO_EXECUTE,
        _ => 0,
    };
    let access = (extended >> EXTENDED_ACCESS_SHIFT & ACCESS) << ACCESS_SHIFT;
    extended & SAME | USER | cache | no_execute | access
}
