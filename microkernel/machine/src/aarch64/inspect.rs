//! What the kernel debugger asks of the machine.

use core::sync::atomic::{AtomicU64, Ordering};

use super::kernel_space::{Access, ENTRIES, POOL, descriptor};
use super::timer::Timer;

/// Registers by name, and their places in an exception message (abi/02).
pub const REGISTERS: &[(&str, usize)] = &[
    ("x0", 1),
    ("x1", 2),
    ("x2", 3),
    ("x3", 4),
    ("x4", 5),
    ("x5", 6),
    ("x6", 7),
    ("x7", 8),
    ("x8", 9),
    ("x9", 10),
    ("x10", 11),
    ("x11", 12),
    ("x12", 13),
    ("x13", 14),
    ("x14", 15),
    ("x15", 16),
    ("x16", 17),
    ("x17", 18),
    ("x18", 19),
    ("x19", 20),
    ("x20", 21),
    ("x21", 22),
    ("x22", 23),
    ("x23", 24),
    ("x24", 25),
    ("x25", 26),
    ("x26", 27),
    ("x27", 28),
    ("x28", 29),
    ("x29", 30),
    ("x30", 31),
    ("sp", 35),
    ("pc", 36),
    ("pstate", 37),
    ("error", 33),
    ("far", 34),
];

/// The place of the frame pointer in an exception message.
pub const FRAME_POINTER: usize = 30;

/// Tables of levels 1 to 3 for one page, at which any memory can be seen.
static TABLES: [Table; 3] = [const { Table::new() }; 3];

/// The entry of the root below that for stacks: no RAM is there.
const PEEPHOLE: usize = ENTRIES - 2;
/// Where that page is.
const PAGE: u64 = (PEEPHOLE as u64) << 39;

/// A table of which only the first entry is used.
#[repr(C, align(4096))]
struct Table([AtomicU64; ENTRIES]);

impl Table {
    const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; ENTRIES])
    }

    fn set(&self, entry: u64) {
        self.0[0].store(entry, Ordering::Relaxed);
    }

    /// An entry that refers to this table.
    fn reference(&self) -> u64 {
        core::ptr::from_ref(self) as u64 | descriptor::TABLE
    }
}

/// The word at a physical address, which is RAM and a multiple of eight.
/// On one CPU at a time.
pub fn read_word(physical: u64) -> Option<u64> {
    let offset = physical % 4096;
    if !physical.is_multiple_of(8) {
        return None;
    }
    let [first, second, third] = &TABLES;
    let bits = Access::Constants.bits() | descriptor::VALID | descriptor::PAGE;
    third.set((physical - offset) | bits);
    second.set(third.reference());
    first.set(second.reference());
    // SAFETY: nobody changes the root any more, and this entry never.
    unsafe { (&raw mut (*POOL.0.get())[0][PEEPHOLE]).write_volatile(first.reference()) };
    barrier!("dsb ishst");
    barrier!("isb");
    // SAFETY: mapped just now, readable and aligned.
    let word = unsafe { ((PAGE + offset) as *const u64).read_volatile() };
    third.set(0);
    barrier!("dsb ishst");
    barrier!("tlbi alle2is");
    barrier!("dsb ish");
    barrier!("isb");
    Some(word)
}

/// The clock's ticks: as fine as there is.
pub fn ticks() -> u64 {
    read_register!("cntvct_el0")
}

/// How many of them are a second.
pub fn ticks_per_second(_timer: &Timer) -> u64 {
    read_register!("cntfrq_el0")
}
