//! Address spaces: the kernel's half, which all tasks share, and which root
//! is loaded.
//!
//! | Address | What |
//! |---|---|
//! | from 0xffff_ff00_0000_0000 | kernel memory, at its physical address plus this |
//! | from 0xffff_ffff_8000_0000 | the kernel image, likewise |
//! | from 0xffff_ffff_bfe0_0000 | entry areas, if the kernel [isolates](isolation) itself |
//! | from 0xffff_ffff_c000_0000 | devices and firmware tables ([`window`]) |
//! | from 0xffff_ffff_c020_0000 | stacks of all CPUs but the first ([`stacks`](super::stacks)) |

use core::sync::atomic::{AtomicU64, Ordering};

use l4_abi::arch::x86_64::{
    INITIAL_UTCB, NON_CANONICAL_LAST, NON_CANONICAL_START, USER_ADDRESS_LAST,
};

use super::entry_format::Format;
use super::instructions::{cpuid, write_cr3};
use super::{isolation, trap, window};

/// What the image's addresses and its physical ones differ by.
pub(super) const IMAGE_OFFSET: u64 = 0xffff_ffff_8000_0000;
/// What kernel memory's addresses and its physical ones differ by.
pub(super) const WINDOW_OFFSET: u64 = 0xffff_ff00_0000_0000;
/// Physical addresses that the window reaches.
pub(super) const WINDOW_SIZE: u64 = 1 << 39;
/// Where devices are mapped.
pub(super) const DEVICE_START: u64 = 0xffff_ffff_c000_0000;
/// Where the other CPUs' stacks are mapped.
pub(super) const STACK_START: u64 = DEVICE_START + TABLE_SPAN;

/// Root entries of the kernel's half that are in use.
const KERNEL_ENTRIES: core::ops::Range<usize> = 510..512;
/// These entries in the roots of tasks.
static TASK_ENTRIES: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];

/// The last address that user mode can have.
pub(super) const USER_END: u64 = USER_ADDRESS_LAST;

/// Ranges of addresses that can never be used, first and last.
pub const UNUSABLE_ADDRESSES: &[(u64, u64)] = &[(NON_CANONICAL_START, NON_CANONICAL_LAST)];

/// Bits of page table entries (SDM 4.5).
pub(super) mod entry {
    pub(crate) const PRESENT: u64 = 1 << 0;
    pub(crate) const WRITABLE: u64 = 1 << 1;
    pub(crate) const WRITE_THROUGH: u64 = 1 << 3;
    pub(crate) const NO_CACHE: u64 = 1 << 4;
    pub(crate) const LARGE: u64 = 1 << 7;
    pub(crate) const GLOBAL: u64 = 1 << 8;
    pub(crate) const NO_EXECUTE: u64 = 1 << 63;

    pub(crate) const TABLE: u64 = PRESENT | WRITABLE;
    pub(crate) const CODE: u64 = PRESENT | GLOBAL;
    pub(crate) const CONSTANTS: u64 = PRESENT | GLOBAL | NO_EXECUTE;
    pub(crate) const DATA: u64 = PRESENT | GLOBAL | NO_EXECUTE | WRITABLE;
    pub(crate) const DEVICE: u64 = DATA | NO_CACHE | WRITE_THROUGH;
}

/// One level of the kernel's own page tables.
#[repr(C, align(4096))]
pub(super) struct PageTable([AtomicU64; 512]);

impl PageTable {
    pub(super) const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; 512])
    }

    pub(super) fn set(&self, index: usize, entry: u64) {
        self.0[index].store(entry, Ordering::Relaxed);
    }

    /// The physical address of a table in the image.
    pub(super) fn physical(&self) -> u64 {
        core::ptr::from_ref(self).addr() as u64 - IMAGE_OFFSET
    }
}

/// Bytes that one table of the lowest level maps.
const TABLE_SPAN: u64 = 1 << 21;
/// Bytes that the image may take.
const IMAGE_LIMIT: u64 = 2 * TABLE_SPAN;

/// The kernel's root table, which is active when no task's is.
pub(super) static ROOT: PageTable = PageTable::new();
/// The GiB pages of the top of the address space.
static TOP: PageTable = PageTable::new();
static IMAGE_DIRECTORY: PageTable = PageTable::new();
static IMAGE_TABLES: [PageTable; 2] = [PageTable::new(), PageTable::new()];
static DEVICE_DIRECTORY: PageTable = PageTable::new();
pub(super) static DEVICE_TABLE: PageTable = PageTable::new();
pub(super) static STACK_TABLES: [PageTable; 2] = [PageTable::new(), PageTable::new()];
/// The GiB pages of the window.
pub(super) static WINDOW: PageTable = PageTable::new();

unsafe extern "C" {
    #[link_name = "__image_start"]
    static IMAGE_START: u8;
    #[link_name = "__text_end"]
    static TEXT_END: u8;
    #[link_name = "__constants_end"]
    static CONSTANTS_END: u8;
    #[link_name = "__guard_start"]
    static GUARD_START: u8;
    #[link_name = "__guard_end"]
    static GUARD_END: u8;
    #[link_name = "__image_end"]
    static IMAGE_END: u8;
}

/// The linked address of a symbol of the linker script.
macro_rules! linked {
    ($symbol:ident) => {
        (&raw const $symbol).addr() as u64
    };
}

/// Builds the kernel's address space and makes it the active one: no page is
/// both writable and executable. Once, on the boot CPU.
pub(super) fn initialise() {
    let (start, end) = (linked!(IMAGE_START), linked!(IMAGE_END));
    let base = start & !(TABLE_SPAN - 1);
    assert!(
        end - base <= IMAGE_LIMIT,
        "the kernel image is larger than its page tables"
    );

    for page in (start..end).step_by(4096) {
        let bits = match page {
            _ if page < linked!(TEXT_END) => entry::CODE,
            _ if page < linked!(CONSTANTS_END) => entry::CONSTANTS,
            _ if (linked!(GUARD_START)..linked!(GUARD_END)).contains(&page) => continue,
            _ => entry::DATA,
        };
        let index = ((page - base) / 4096) as usize;
        let entry = (page - IMAGE_OFFSET) | bits;
        IMAGE_TABLES[index / 512].set(index % 512, entry);
        if trap::is_on_the_way(page) {
            isolation::share(index / 512, index % 512, entry);
        }
    }
    let first = (base >> 21 & 511) as usize;
    for (index, table) in IMAGE_TABLES.iter().enumerate() {
        IMAGE_DIRECTORY.set(first + index, table.physical() | entry::TABLE);
    }
    DEVICE_DIRECTORY.set(0, DEVICE_TABLE.physical() | entry::TABLE);
    for (index, table) in (1..).zip(&STACK_TABLES) {
        DEVICE_DIRECTORY.set(index, table.physical() | entry::TABLE);
    }
    TOP.set(510, IMAGE_DIRECTORY.physical() | entry::TABLE);
    TOP.set(511, DEVICE_DIRECTORY.physical() | entry::TABLE);
    ROOT.set(510, WINDOW.physical() | entry::TABLE);
    ROOT.set(511, TOP.physical() | entry::TABLE);
    let isolated = isolation::link(first, &IMAGE_DIRECTORY);
    for (entry, index) in TASK_ENTRIES.iter().zip(KERNEL_ENTRIES) {
        let value = match isolation::is_on() {
            true if index == 511 => isolated,
            true => 0,
            false => ROOT.0[index].load(Ordering::Relaxed),
        };
        entry.store(value, Ordering::Relaxed);
    }
    // SAFETY: the tables map the image where it runs.
    unsafe { write_cr3(ROOT.physical()) };
}

/// The physical address of what lies in the image or in kernel memory.
pub(super) fn physical<T>(value: &T) -> u64 {
    let address = core::ptr::from_ref(value).addr() as u64;
    match address.checked_sub(IMAGE_OFFSET) {
        Some(physical) => physical,
        None => address - WINDOW_OFFSET,
    }
}

/// The physical address of a root table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Root(u64);

impl Root {
    /// The root at a physical address, aligned to its size.
    #[inline]
    pub const fn new(address: u64) -> Self {
        Self(address)
    }

    /// Its physical address.
    #[inline]
    pub(super) fn address(self) -> u64 {
        self.0
    }

    /// The kernel's own: no user memory at all.
    pub fn kernel() -> Self {
        Self(ROOT.physical())
    }
}

/// The last address that user mode can have.
pub fn user_end() -> u64 {
    USER_END
}

/// The format of this machine's page tables.
pub fn format() -> Format {
    Format::new(cpuid(0x8000_0008, 0).eax & 0xff)
}

/// Where the UTCBs of the initial tasks are.
pub fn initial_utcb() -> u64 {
    INITIAL_UTCB
}

/// Lets hardware see a new leaf: its walks are ordered with stores.
#[inline]
pub(crate) fn leaf_written() {}

/// Makes a zeroed root table usable: the kernel's half.
pub fn prepare_root(table: &mut [u64]) {
    for (index, entry) in KERNEL_ENTRIES.zip(&TASK_ENTRIES) {
        table[index] = entry.load(Ordering::Relaxed);
    }
}

/// Maps kernel memory in the window, by pages of 2 MiB, and gives the number
/// of bytes that are left when its last frames have become the tables.
///
/// # Safety
/// It is RAM that nobody else uses.
///
/// # Panics
/// If it does not begin and end at a multiple of 2 MiB in reach of the window.
pub(super) unsafe fn map_window(physical: u64, bytes: u64) -> u64 {
    const GIBIBYTE: u64 = 1 << 30;
    let end = physical.saturating_add(bytes);
    assert!(
        physical.is_multiple_of(TABLE_SPAN) && bytes.is_multiple_of(TABLE_SPAN) && bytes > 0,
        "kernel memory is not aligned"
    );
    assert!(
        end <= WINDOW_SIZE,
        "kernel memory is beyond the kernel's window"
    );
    let mut table = end;
    for gibibyte in physical / GIBIBYTE..end.div_ceil(GIBIBYTE) {
        table -= 4096;
        // SAFETY: a frame at the end of the memory, which is ours.
        unsafe {
            window::fill_frame(table, |index| {
                let page = gibibyte * GIBIBYTE + index as u64 * TABLE_SPAN;
                if (physical..end).contains(&page) {
                    page | entry::DATA | entry::LARGE
                } else {
                    0
                }
            });
        }
        WINDOW.set(gibibyte as usize, table | entry::TABLE);
    }
    table - physical
}
