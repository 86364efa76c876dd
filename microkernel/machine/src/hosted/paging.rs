//! Address spaces: a root table is a number, and activation is not recorded.

use super::entry_format::{Format, x86_64};
use crate::per_cpu::CpuBlock;

/// The format of this machine's page tables: one of the two.
pub fn format() -> Format {
    Format::X86_64(x86_64::Format::new(48))
}

/// The last address that user mode can have.
pub fn user_end() -> u64 {
    (1 << format().address_bits()) - 1
}

/// Ranges of addresses that can never be used, first and last: none.
pub const UNUSABLE_ADDRESSES: &[(u64, u64)] = &[];

/// The physical address of a root table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Root(u64);

impl Root {
    /// The root at a physical address.
    pub const fn new(address: u64) -> Self {
        Self(address)
    }

    /// The address space of nobody.
    pub const fn kernel() -> Self {
        Self(0)
    }
}

/// Lets hardware see a new leaf: there is none.
#[inline]
pub(crate) fn leaf_written() {}

/// Makes a zeroed root table usable.
pub fn prepare_root(_table: &mut [u64]) {}

/// Makes `root` the address space of user mode on this CPU.
#[inline]
pub(super) fn activate(_block: &CpuBlock, _root: Root) {}

/// Where the UTCBs of the initial tasks are.
pub fn initial_utcb() -> u64 {
    user_end() + 1 - 0x1_0000
}
