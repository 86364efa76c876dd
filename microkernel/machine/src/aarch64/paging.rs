//! User address spaces: stage 2 translation, which takes user addresses
//! straight to physical ones (stage 1 is off).

use core::cell::UnsafeCell;

use super::entry_format::Format;

/// VTCR_EL2 (D19.2.157): RES1; write-back, inner shareable walks; 4 KiB pages.
const CONTROL: u64 = 1 << 31 | 3 << 12 | 1 << 10 | 1 << 8;
/// SL0 for a walk from level 0 or 1.
const START_LEVEL_0: u64 = 2 << 6;
const START_LEVEL_1: u64 = 1 << 6;

/// The physical address of a root table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Root(pub(super) u64);

impl Root {
    /// The root at a physical address, aligned to its size.
    #[inline]
    pub const fn new(address: u64) -> Self {
        Self(address)
    }

    /// The address space of nobody: nothing is mapped. With id 0.
    pub fn kernel() -> Self {
        Self(EMPTY_ROOT.0.get() as u64)
    }
}

/// A root table without entries, as large as any.
#[repr(C, align(32768))]
pub(super) struct EmptyRoot(UnsafeCell<[u64; 4096]>);

// SAFETY: nothing writes to it.
unsafe impl Sync for EmptyRoot {}

pub(super) static EMPTY_ROOT: EmptyRoot = EmptyRoot(UnsafeCell::new([0; 4096]));

/// The format of this machine's page tables.
pub fn format() -> Format {
    let bits = match physical_size() {
        0 => 32,
        1 => 36,
        2 => 40,
        3 => 42,
        4 => 44,
        _ => 48,
    };
    Format::new(bits)
}

/// ID_AA64MMFR0_EL1.PARange, and VTCR_EL2.PS for as many bits as we use.
fn physical_size() -> u64 {
    (read_register!("id_aa64mmfr0_el1") & 0xf).min(5)
}

/// The last address that user mode can have: there are as many virtual
/// address bits as physical ones.
pub fn user_end() -> u64 {
    (1 << format().address_bits()) - 1
}

/// VTCR_EL2 for this CPU. VMIDs have eight bits.
pub(super) fn control() -> u64 {
    let format = format();
    // The manual counts levels from the root.
    let start = if format.root_level() == 3 {
        START_LEVEL_0
    } else {
        START_LEVEL_1
    };
    CONTROL | start | physical_size() << 16 | u64::from(64 - format.address_bits())
}

/// Lets hardware see a new leaf from now on: its walks are not ordered with
/// stores (D8.2.3), and a fault on memory of the kernel would be final.
#[inline]
pub(crate) fn leaf_written() {
    barrier!("dsb ishst");
}

/// Makes a zeroed root table usable: nothing to do.
pub fn prepare_root(_table: &mut [u64]) {}

/// Ranges of addresses that can never be used, first and last: none.
pub const UNUSABLE_ADDRESSES: &[(u64, u64)] = &[];

/// Where the UTCBs of the initial tasks are.
pub fn initial_utcb() -> u64 {
    l4_abi::arch::aarch64::initial_utcb(user_end())
}
