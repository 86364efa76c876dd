//! What happens, one step after the other.

use l4_abi::capability::Selector;
use l4_abi::vcpu::{StateFlags, UserTask};

use crate::layout::{MEMORY, MEMORY_END, TASKS, UTCBS, slots};
use crate::word::{any_slot, control, flexpage, task, word};
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

/// Number of words of a guest's state that there are.
pub const GUEST_WORDS: usize = 0xb0;

/// What a vCPU resumes with.
#[derive(Clone, Copy, Debug)]
pub struct Resume {
    /// Its state, and the one that it takes on.
    pub states: [StateFlags; 2],
    /// The task in which it goes on.
    pub user_task: UserTask,
    /// Items for that task.
    items: [[u64; 2]; 2],
    item_count: usize,
    /// Words of the guest's state that are set, for a vCPU that is extended: which, and to what.
    pub guest: Option<[(usize, u64); 3]>,
}

/// What happens. Steps that no program makes are those of a test that is hardware and root task
/// at once.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// The thread that runs (0), or another one that could run, makes a system call.
    Call(u64, Call),
    /// The thread that runs (0), or another one that could run, becomes a vCPU if it is none, and
    /// resumes.
    Resume(u64, Resume),
    /// The thread that runs makes a fault.
    Fault(Fault),
    /// A device wants something.
    Pin(u64),
    /// A device will want something as soon as the kernel lets it.
    Pending,
    /// A CPU notices that others have interrupted it.
    Notice(u64),
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
        match choices.weighted([20, 8, 1, 2, 2, 2, 1, 4, 1, 8]) {
            0 => {
                let thread = match choices.one_in(2) {
                    false => 0,
                    true => choices.below(8),
                };
                Step::Call(thread, Call::choose(choices))
            }
            1 => Step::Resume(choices.below(8), Resume::choose(choices)),
            2 => Step::Fault(Fault::choose(choices)),
            3 => Step::Pin(choices.below(6)),
            4 => Step::Pending,
            5 => Step::Time(match choices.one_in(2) {
                false => choices.below(5000),
                true => 20_000,
            }),
            6 => Step::Write(choices.below(8), [(); 4].map(|()| word(choices))),
            7 => Step::Give {
                task: choices.below(TASKS),
                object: choices.between(slots::FIRST, slots::EMPTY),
                slot: any_slot(choices),
            },
            8 => Step::Thread(choices.below(TASKS)),
            _ => Step::Notice(choices.below(4)),
        }
    }
}

impl Resume {
    fn choose(choices: &mut Choices<'_>) -> Self {
        let user_mode = StateFlags::USER_MODE | StateFlags::FPU_ENABLED;
        let saved = match choices.weighted([3, 2, 1, 1]) {
            0 => user_mode,
            1 => user_mode | StateFlags::IRQ,
            2 => StateFlags::IRQ,
            _ => StateFlags::from_bits_retain(choices.below(0x1_0000) as u16),
        };
        let state = match choices.one_in(6) {
            false => StateFlags::empty(),
            true => StateFlags::from_bits_retain(choices.below(0x1_0000) as u16),
        };
        let is_guest = choices.one_in(4);
        let task = Selector::new(match is_guest {
            false => task(choices),
            true => slots::VM,
        })
        .raw();
        Self {
            states: [state, saved],
            user_task: UserTask::from_raw(match choices.weighted([4, 1, 1]) {
                0 => task,
                1 => task | 1,
                _ => word(choices),
            }),
            items: [(); 2].map(|()| [control(choices), flexpage(choices)]),
            item_count: match choices.one_in(4) {
                false => 0,
                true => choices.below(3) as usize,
            },
            guest: is_guest.then(|| {
                [(); 3].map(|()| (choices.below(GUEST_WORDS as u64) as usize, word(choices)))
            }),
        }
    }

    /// The words of the items, behind the message's first word.
    pub fn items(&self) -> &[u64] {
        self.items[..self.item_count].as_flattened()
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
