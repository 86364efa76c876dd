//! Region map: what is attached where in an address space; answers its page faults.
//!
//! Source: `abi/08` §4.

use crate::flags::flags;

flags! {
    /// Flags of attach and of regions.
    pub struct Flags: u32 {
        /// Fetch instructions.
        const EXECUTE = 0x01;
        /// Store.
        const WRITE = 0x02;
        /// Load.
        const READ = 0x04;
        /// All rights.
        const RIGHTS = 0x0f;
        /// Write-combining.
        const BUFFERABLE = 0x10;
        /// Uncached.
        const UNCACHED = 0x20;
        /// All bits that tell the caching.
        const CACHING = 0x30;
        /// The kernel's: UTCBs, kernel info page.
        const KERNEL = 0x100;
        /// A pager answers faults.
        const PAGER = 0x400;
        /// Nothing may be attached, faults fail.
        const RESERVED = 0x800;
        /// Not inherited.
        const PRIVATE = 0x1000;
        /// Not backed by a dataspace.
        const ANONYMOUS = 0x2000;
        /// Attach: look for free addresses from the start on.
        const SEARCH_ADDRESS = 0x2_0000;
        /// Attach: inside the area at the start. Find: only an area is there.
        const IN_AREA = 0x4_0000;
        /// Attach: map everything at once.
        const EAGER_MAP = 0x8_0000;
        /// Attach: map nothing yet.
        const NO_EAGER_MAP = 0x10_0000;
        /// Read and write.
        const RW = Self::READ.bits() | Self::WRITE.bits();
        /// Read and execute.
        const RX = Self::READ.bits() | Self::EXECUTE.bits();
        /// Read, write and execute.
        const RWX = Self::RW.bits() | Self::EXECUTE.bits();
    }
}

flags! {
    /// Flags of detach.
    pub struct DetachFlags: u32 {
        /// Touch exactly the range.
        const EXACT = 1;
        /// Detach everything that overlaps the range.
        const OVERLAP = 2;
    }
}

/// Results of detach.
pub mod detach_result {
    /// The region is gone.
    pub const DETACHED: i64 = 0;
    /// The region stays; only a part was unmapped.
    pub const KEPT: i64 = 1;
    /// The region was split in two.
    pub const SPLIT: i64 = 2;
    /// Bit: more regions overlap, call again.
    pub const AGAIN: i64 = 4;
    /// Bit: the range has been unmapped already.
    pub const UNMAPPED: i64 = 8;
}

/// An entry of the answers to get_regions and get_areas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct RegionEntry {
    /// First byte.
    pub start: u64,
    /// Last byte.
    pub last: u64,
    /// [`Flags`], low half.
    pub flags: u16,
    /// Padding.
    pub reserved: [u16; 3],
}

/// Instruction pointer in page-fault requests that no fault caused.
pub const NO_INSTRUCTION_POINTER: u64 = -3_i64 as u64;
