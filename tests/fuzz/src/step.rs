//! What happens, one step after the other.

use crate::layout::{MEMORY, MEMORY_END, TASKS, UTCBS, slots};
use crate::word::{any_slot, word};
use crate::{Call, Choices};

/// A fault that a program can make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It touches this address; perhaps to write.
    Page(u64, bool),
    /// It uses the FPU.
    Fpu,
    /// It executes what the CPU does not know.
    Instruction,
}

/// What happens. Steps that no program makes are those of a test that is hardware and root task
/// at once.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// The thread that runs (0), or another one that could run, makes a system call.
    Call(u64, Call),
    /// The thread that runs makes a fault.
    Fault(Fault),
    /// A device wants something.
    Pin(u64),
    /// A device will want something as soon as the kernel lets it.
    Pending,
    /// So many µs pass.
    Time(u64),
    /// Somebody who shares the UTCB of a thread writes these words to it, while the thread may be
    /// in a system call.
    Write(u64, [u64; 4]),
    /// The root task gives a task one of the first objects back, to a slot that is empty.
    Give {
        /// Which task.
        task: u64,
        /// The slot that the object had at the start.
        object: u64,
        /// Where it goes.
        slot: u64,
    },
    /// The root task makes another thread in a task.
    Thread(u64),
}

impl Step {
    /// A step.
    pub fn choose(choices: &mut Choices<'_>) -> Self {
        match choices.weighted(&[20, 1, 2, 2, 2, 1, 4, 1]) {
            0 => {
                let thread = match choices.one_in(2) {
                    false => 0,
                    true => choices.below(8),
                };
                Step::Call(thread, Call::choose(choices))
            }
            1 => Step::Fault(Fault::choose(choices)),
            2 => Step::Pin(choices.below(6)),
            3 => Step::Pending,
            4 => Step::Time(match choices.one_in(2) {
                false => choices.below(5000),
                true => 20_000,
            }),
            5 => Step::Write(choices.below(8), [(); 4].map(|()| word(choices))),
            6 => Step::Give {
                task: choices.below(TASKS),
                object: choices.between(slots::FIRST, slots::EMPTY),
                slot: any_slot(choices),
            },
            _ => Step::Thread(choices.below(TASKS)),
        }
    }
}

impl Fault {
    fn choose(choices: &mut Choices<'_>) -> Self {
        match choices.below(3) {
            0 => {
                let address = match choices.one_in(4) {
                    false => choices.between(MEMORY, MEMORY_END),
                    true => choices.between(UTCBS, UTCBS + 0x2_0000),
                };
                Fault::Page(address, choices.one_in(2))
            }
            1 => Fault::Fpu,
            _ => Fault::Instruction,
        }
    }
}
