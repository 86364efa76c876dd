//! The kernel's own address space, TTBR0_EL2: each thing at its physical
//! address but for stacks, and nothing mapped that the kernel does not own.

use core::cell::UnsafeCell;

use super::start::SCTLR_EL2_OFF;

pub(super) const ENTRIES: usize = 512;
/// Page tables for the image, the devices and the kernel's memory. Kernel
/// memory needs few: it is mapped by large blocks.
const TABLES: usize = 32;

type Table = [u64; ENTRIES];

#[repr(C, align(4096))]
pub(super) struct Tables(pub(super) UnsafeCell<[Table; TABLES]>);

// SAFETY: only the one `KernelSpace` uses them.
unsafe impl Sync for Tables {}

pub(super) static POOL: Tables = Tables(UnsafeCell::new([[0; ENTRIES]; TABLES]));

/// The levels of a walk: 48 bits with 4 KiB pages.
const LAST_LEVEL: u32 = 3;
/// The first level that can have blocks: 1 GiB.
const FIRST_BLOCK_LEVEL: u32 = 1;

/// Descriptors (D8.3.1), stage 1 of EL2.
pub(super) mod descriptor {
    pub(in super::super) const TABLE: u64 = 0b11;
    pub(in super::super) const PAGE: u64 = 0b11;
    pub(in super::super) const BLOCK: u64 = 0b01;
    pub(in super::super) const TYPE: u64 = 0b11;
    pub(in super::super) const ADDRESS: u64 = 0x0000_ffff_ffff_f000;
    /// Access flag, and AP[1], which is RES1.
    pub(in super::super) const VALID: u64 = 1 << 10 | 1 << 6;
    pub(in super::super) const READ_ONLY: u64 = 1 << 7;
    pub(in super::super) const EXECUTE_NEVER: u64 = 1 << 54;
    pub(in super::super) const INNER_SHAREABLE: u64 = 3 << 8;
    /// Index 0 and 1 in MAIR_EL2.
    pub(in super::super) const NORMAL: u64 = 0 << 2;
    pub(in super::super) const DEVICE: u64 = 1 << 2;
}

/// MAIR_EL2: write-back normal memory; device memory with early writes.
pub(super) const MEMORY_TYPES: u64 = 0x04 << 8 | 0xff;
/// TCR_EL2: RES1, 48 bits, 4 KiB, write-back inner shareable walks.
pub(super) const TRANSLATION: u64 = 1 << 31 | 1 << 23 | 3 << 12 | 1 << 10 | 1 << 8 | 16;
/// SCTLR_EL2: MMU, caches, stack alignment check; nothing writable is code.
pub(super) const SCTLR_EL2: u64 = SCTLR_EL2_OFF | 1 << 0 | 1 << 2 | 1 << 3 | 1 << 12 | 1 << 19;

/// What can be done with memory.
#[derive(Clone, Copy)]
pub(super) enum Access {
    /// Read and execute.
    Code,
    /// Read.
    Constants,
    /// Read and write.
    Data,
    /// Read and write device registers.
    Device,
}

impl Access {
    pub(super) fn bits(self) -> u64 {
        use descriptor::{DEVICE, EXECUTE_NEVER, INNER_SHAREABLE, NORMAL, READ_ONLY};
        match self {
            Self::Code => NORMAL | INNER_SHAREABLE | READ_ONLY,
            Self::Constants => NORMAL | INNER_SHAREABLE | READ_ONLY | EXECUTE_NEVER,
            Self::Data => NORMAL | INNER_SHAREABLE | EXECUTE_NEVER,
            Self::Device => DEVICE | EXECUTE_NEVER,
        }
    }
}

/// The kernel's address space.
pub(super) struct KernelSpace {
    tables: &'static mut [Table; TABLES],
    used: usize,
}

impl KernelSpace {
    /// An empty space.
    ///
    /// # Safety
    /// Once.
    pub(super) unsafe fn new() -> Self {
        Self {
            // SAFETY: nobody else uses the tables.
            tables: unsafe { &mut *POOL.0.get() },
            used: 1,
        }
    }

    /// Turns translation and caches on.
    ///
    /// # Safety
    /// What runs is mapped.
    pub(super) unsafe fn activate(&self) {
        let physical_size = (read_register!("id_aa64mmfr0_el1") & 0xf).min(5);
        // SAFETY: promised by the caller.
        unsafe {
            write_register!("mair_el2", MEMORY_TYPES);
            write_register!("tcr_el2", TRANSLATION | physical_size << 16);
            write_register!("ttbr0_el2", self.tables.as_ptr() as u64);
            barrier!("dsb sy");
            barrier!("isb");
            write_register!("sctlr_el2", SCTLR_EL2);
            barrier!("isb");
        }
    }

    /// Maps the pages that `bytes` at `start` touch.
    ///
    /// # Panics
    /// If the space runs out of tables or something else is mapped there.
    pub(super) fn map(&mut self, start: u64, bytes: u64, access: Access) {
        self.map_at(start, start, bytes, access);
    }

    /// Maps pages at `start` that are `physical` elsewhere.
    ///
    /// # Panics
    /// As [`map`](Self::map).
    pub(super) fn map_at(&mut self, start: u64, physical: u64, bytes: u64, access: Access) {
        let leaf = Leaf {
            offset: physical.wrapping_sub(start),
            bits: access.bits() | descriptor::VALID,
        };
        self.set_all(start, bytes, Some(leaf));
        barrier!("dsb ishst");
        barrier!("isb");
    }

    /// Removes what [`map`](Self::map) with the same range did.
    pub(super) fn unmap(&mut self, start: u64, bytes: u64) {
        self.set_all(start, bytes, None);
        barrier!("dsb ishst");
        barrier!("tlbi alle2is");
        barrier!("dsb ish");
        barrier!("isb");
    }

    fn set_all(&mut self, start: u64, bytes: u64, leaf: Option<Leaf>) {
        let page = block_size(LAST_LEVEL);
        let mut address = start & !(page - 1);
        let end = (start + bytes).next_multiple_of(page);
        while address < end {
            address += self.set(address, end - address, leaf);
        }
    }

    /// Sets the one entry for the largest page or block at `address` that is
    /// no larger than `bytes`, and gives its size. Where there is a table
    /// already it stays, so that no entry changes from one valid form to
    /// another (D8.13.1).
    fn set(&mut self, address: u64, bytes: u64, leaf: Option<Leaf>) -> u64 {
        let mut table = 0;
        for level in 0..LAST_LEVEL {
            let entry = self.tables[table][index(address, level)];
            let is_table = entry & descriptor::TYPE == descriptor::TABLE;
            let size = block_size(level);
            let physical = address.wrapping_add(leaf.map_or(0, |leaf| leaf.offset));
            let fits = (address | physical).is_multiple_of(size) && size <= bytes;
            if level >= FIRST_BLOCK_LEVEL && fits && !is_table {
                self.tables[table][index(address, level)] =
                    entry_of(leaf, address, descriptor::BLOCK);
                return size;
            }
            table = if is_table {
                let first = self.tables.as_ptr() as u64;
                ((entry & descriptor::ADDRESS) - first) as usize / size_of::<Table>()
            } else {
                assert!(
                    entry == 0,
                    "{address:#x} is mapped twice in the kernel's own space"
                );
                self.add_table(table, index(address, level))
            };
        }
        self.tables[table][index(address, LAST_LEVEL)] = entry_of(leaf, address, descriptor::PAGE);
        block_size(LAST_LEVEL)
    }

    /// Makes entry `index` of a table refer to an empty one.
    fn add_table(&mut self, table: usize, index: usize) -> usize {
        let new = self.used;
        assert!(
            new < TABLES,
            "out of page tables for the kernel's own space"
        );
        self.used += 1;
        self.tables[table][index] = self.tables[new].as_ptr() as u64 | descriptor::TABLE;
        new
    }
}

/// What pages of the space are.
#[derive(Clone, Copy)]
struct Leaf {
    /// From the page's address to the memory's.
    offset: u64,
    bits: u64,
}

/// The entry for a page or block at `address`, or for nothing.
fn entry_of(leaf: Option<Leaf>, address: u64, kind: u64) -> u64 {
    leaf.map_or(0, |leaf| {
        address.wrapping_add(leaf.offset) | leaf.bits | kind
    })
}

fn block_size(level: u32) -> u64 {
    4096 << (9 * (LAST_LEVEL - level))
}

fn index(address: u64, level: u32) -> usize {
    (address / block_size(level)) as usize % ENTRIES
}
