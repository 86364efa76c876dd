//! Address spaces: a root table is a number, and activation is not recorded.

use crate::per_cpu::CpuBlock;

/// How many address-space ids there are; few, so that tests run out of them.
pub const MAX_IDS: u32 = 8;

/// The last address that user mode can have.
pub const USER_END: u64 = 0x0000_7fff_ffff_ffff;

/// The physical address of a root table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Root(pub u64);

/// Makes a zeroed root table usable.
pub fn prepare_root(_table: &mut [u64]) {}

/// Makes `root` the address space of user mode on this CPU.
#[inline]
pub fn activate(_block: &CpuBlock, _root: Root, _id: u16) {}
