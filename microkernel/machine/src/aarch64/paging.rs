//! User address spaces: stage 2 translation, which takes user addresses
//! straight to physical ones (stage 1 is off).

use core::cell::UnsafeCell;

use crate::per_cpu::CpuBlock;

/// Most address bits that are used, however many the CPU has.
const MAX_ADDRESS_BITS: u32 = 48;
/// Fewest bits for which the walk starts at level 0 (D8.2.6: allowed from 44
/// on). Below, the root is up to 16 tables of level 1 in a row.
const LEVEL_0_BITS: u32 = 44;
/// Bits that a walk resolves from level 1 with one root table.
const LEVEL_1_BITS: u32 = 39;

/// VTCR_EL2 (D19.2.157): RES1; write-back, inner shareable walks; 4 KiB pages.
const CONTROL: u64 = 1 << 31 | 3 << 12 | 1 << 10 | 1 << 8;
/// SL0 for a walk from level 0 or 1.
const START_LEVEL_0: u64 = 2 << 6;
const START_LEVEL_1: u64 = 1 << 6;
/// VMIDs have 16 bits.
const WIDE_VMID: u64 = 1 << 19;

/// Addresses below [`user_end`] that user mode cannot have: none.
pub const UNUSABLE_ADDRESSES: &[(u64, u64)] = &[];

/// The physical address of a root table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Root(u64);

impl Root {
    /// The root at a physical address, aligned to [`root_size`].
    #[inline]
    pub const fn new(address: u64) -> Self {
        Self(address)
    }
}

/// A root table without entries, as large as any.
#[repr(C, align(32768))]
struct EmptyRoot(UnsafeCell<[u64; 4096]>);

// SAFETY: nothing writes to it.
unsafe impl Sync for EmptyRoot {}

static EMPTY_ROOT: EmptyRoot = EmptyRoot(UnsafeCell::new([0; 4096]));

/// The address space of nobody, for VTTBR_EL2, with the VMID of nobody.
pub(super) fn empty_root() -> u64 {
    EMPTY_ROOT.0.get() as u64
}

/// Address bits of user mode: those of physical addresses.
pub fn address_bits() -> u32 {
    let bits = match read_register!("id_aa64mmfr0_el1") & 0xf {
        0 => 32,
        1 => 36,
        2 => 40,
        3 => 42,
        4 => 44,
        _ => 48,
    };
    bits.min(MAX_ADDRESS_BITS)
}

/// The last address that user mode can have.
pub fn user_end() -> u64 {
    (1 << address_bits()) - 1
}

/// The levels of a walk: 4 from level 0, 3 from level 1.
pub fn levels() -> u32 {
    if address_bits() >= LEVEL_0_BITS { 4 } else { 3 }
}

/// Bytes of a root table, which is aligned to them: one frame, or several in
/// a row, so that the index into it is all of the address from bit 30 on.
pub fn root_size() -> usize {
    let bits = address_bits();
    if bits >= LEVEL_0_BITS || bits <= LEVEL_1_BITS {
        4096
    } else {
        4096 << (bits - LEVEL_1_BITS)
    }
}

/// How many address-space ids (VMIDs) there are; 0 is kept for nobody.
pub fn max_ids() -> u32 {
    if has_wide_vmids() { 1 << 16 } else { 1 << 8 }
}

fn has_wide_vmids() -> bool {
    read_register!("id_aa64mmfr1_el1") >> 4 & 0xf == 2
}

/// VTCR_EL2 for this CPU.
pub(super) fn control() -> u64 {
    let bits = address_bits();
    let physical_size = (read_register!("id_aa64mmfr0_el1") & 0xf).min(5);
    let start = if bits >= LEVEL_0_BITS {
        START_LEVEL_0
    } else {
        START_LEVEL_1
    };
    let vmids = if has_wide_vmids() { WIDE_VMID } else { 0 };
    CONTROL | vmids | start | physical_size << 16 | u64::from(64 - bits)
}

/// Makes a zeroed root table usable: nothing to do.
pub fn prepare_root(_table: &mut [u64]) {}

/// Makes `root` the address space of user mode on this CPU. Returning to
/// user mode makes it count.
#[inline]
pub fn activate(_block: &CpuBlock, root: Root, id: u16) {
    // SAFETY: the register is used for user mode only.
    unsafe { write_register!("vttbr_el2", u64::from(id) << 48 | root.0) };
}
