//! Address spaces: a root table is a number, and activation is not recorded.

use crate::per_cpu::CpuBlock;

/// How many address-space ids there are; few, so that tests run out of them.
pub fn max_ids() -> u32 {
    8
}

/// Address bits of user mode.
pub fn address_bits() -> u32 {
    47
}

/// The last address that user mode can have.
pub fn user_end() -> u64 {
    (1 << address_bits()) - 1
}

/// Addresses below [`user_end`] that user mode cannot have: none.
pub const UNUSABLE_ADDRESSES: &[(u64, u64)] = &[];

/// The physical address of a root table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Root(pub u64);

/// Makes a zeroed root table usable.
pub fn prepare_root(_table: &mut [u64]) {}

/// Makes `root` the address space of user mode on this CPU.
#[inline]
pub fn activate(_block: &CpuBlock, _root: Root, _id: u16) {}
