//! Memory that somebody has filled comes back empty, whatever the kernel makes of it next.

use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use l4_test::abi::flexpage::Flexpage;
use l4_test::abi::rights::{CapabilityRights, MemoryRights};
use l4_test::memory::{PAGE, PAGE_ORDER, allocate, load, store};
use l4_test::other_task::{End, FREE, OtherTask};
use l4_test::sys::Cap;
use l4_test::sys::object::Thread;
use l4_test::{Message, own, spawn};

use crate::arch;

/// Largest area of kernel-user memory.
const ORDER: u32 = 17;
const WORDS: u64 = (1 << ORDER) / 8;
/// Page tables that a task fills, and what each spans.
const TABLES: u64 = 64;
const TABLE_SPAN: u64 = 1 << 21;
/// How often memory is filled and looked at.
const ROUNDS: usize = 4;

fn whole_area() -> Flexpage {
    Flexpage::memory(FREE, ORDER, MemoryRights::RW)
}

fn area() -> impl Iterator<Item = u64> {
    (0..WORDS).map(|word| FREE + word * 8)
}

/// Fills the area with what would make page table entries, if the kernel took it for a table: they
/// would let user mode write to memory from address 0 on.
fn fill() -> u64 {
    for (page, address) in (0..).zip(area()) {
        store(address, arch::page_table_entry(page % 512 * PAGE));
    }
    0
}

fn count_words() -> u64 {
    area().filter(|&address| load(address) != 0).count() as u64
}

/// A task whose area is full ends.
fn leave_full_memory() {
    let task = OtherTask::new();
    task.task.add_kernel_user_memory(whole_area()).unwrap();
    assert_eq!(task.run(fill), End::Value(0));
}

pub(crate) fn kernel_user_memory_is_zero() {
    for _ in 0..ROUNDS {
        leave_full_memory();
        let task = OtherTask::new();
        task.task.add_kernel_user_memory(whole_area()).unwrap();
        assert_eq!(task.run(count_words), End::Value(0));
    }
}

/// What the thread of another task reads.
static PLACE: AtomicU64 = AtomicU64::new(0);

fn can_be_read(task: &OtherTask, place: u64) -> bool {
    PLACE.store(place, SeqCst);
    matches!(task.run(|| load(PLACE.load(SeqCst))), End::Value(_))
}

pub(crate) fn page_tables_are_empty() {
    let page = allocate(PAGE_ORDER);
    for round in 0..ROUNDS as u64 {
        leave_full_memory();
        let task = OtherTask::new();
        // Each page brings a table of its own.
        for table in 0..TABLES {
            let place = FREE + table * TABLE_SPAN;
            task.map(page, place).unwrap();
            assert!(can_be_read(&task, place));
            let neighbour = place + PAGE * (1 + round * 7);
            assert!(!can_be_read(&task, neighbour), "{neighbour:#x}");
        }
    }
}

pub(crate) fn capability_tables_are_empty() {
    for _ in 0..ROUNDS {
        let full = own::factory().create_task(Flexpage::NIL).unwrap();
        let slots = (0..64).map(|table| table * 128 + 5);
        for slot in slots.clone() {
            full.map_capability(own::thread(), slot, CapabilityRights::RWS)
                .unwrap();
        }
        drop(full);
        let fresh = own::factory().create_task(Flexpage::NIL).unwrap();
        for slot in slots {
            // A table for each of these again.
            fresh
                .map_capability(own::thread(), slot + 1, CapabilityRights::RWS)
                .unwrap();
            let is_valid = |slot| fresh.is_valid(Cap::<Thread>::at(slot)).unwrap();
            assert!(is_valid(slot + 1));
            assert!(!is_valid(slot), "{slot}");
        }
    }
}

pub(crate) fn fpu_registers_are_empty() {
    for _ in 0..ROUNDS {
        let owner = spawn(|| {
            arch::fill_fpu();
            Message::new(0).call(*own::thread());
        });
        assert!(spawn(arch::is_fpu_empty).join());
        drop(owner);
        // The area that it had is free now.
        assert!(spawn(arch::is_fpu_empty).join());
    }
}
