//! Segment descriptors of tasks.

use l4_abi::arch::x86_64::segment::USER_PRIVILEGE;
use l4_abi::protocol::label;
use l4_abi::protocol::task::Opcode;
use l4_sys::Cap;
use l4_sys::object::Task;

use crate::{Message, Outcome};

/// A data segment from an address below 4 GiB on.
pub fn data(base: u64) -> u64 {
    0x00cf_f300_0000_ffff | (base & 0xff_ffff) << 16 | base >> 24 << 56
}

/// Sets two descriptors of a task at most, from the entry `first` on.
pub fn set(task: Cap<Task>, first: u64, descriptors: &[u64]) -> Outcome {
    let mut words = [Opcode::LdtSet.word(), first, 0, 0];
    words[2..][..descriptors.len()].copy_from_slice(descriptors);
    let words = &words[..2 + descriptors.len()];
    Message::new(label::TASK).words(words).call(*task).outcome()
}

/// The selector of an entry.
pub fn selector(entry: u64) -> u16 {
    const LOCAL: u16 = 1 << 2;
    (entry as u16) << 3 | LOCAL | USER_PRIVILEGE
}
