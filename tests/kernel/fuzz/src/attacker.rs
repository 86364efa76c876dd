//! What the threads in the attackers' tasks execute. Of the program's memory they can read
//! everything and write [`SHARED`] only; system calls are all they have. They use nothing that
//! they could break: not the UTCB that the kernel says is theirs, and no thread pointer.

use core::cell::UnsafeCell;
use core::hint::black_box;
use core::mem::offset_of;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use fuzz::layout::{GUEST_PLACES, GUESTS, TASKS, THREADS, UTCBS, VCPU_PLACES, VCPUS};
use fuzz::{Call, Choices, Fault, GUEST_WORDS, Resume, Step};
use l4_test::abi::arch::native::vcpu::EXTENDED_STATE_OFFSET;
use l4_test::abi::capability::Selector;
use l4_test::abi::message_tag::{MessageTag, TagFlags};
use l4_test::abi::operation::Operation;
use l4_test::abi::protocol::label;
use l4_test::abi::protocol::thread::{Opcode, VCPU_EXTENDED};
use l4_test::abi::timeout::TimeoutPair;
use l4_test::abi::utcb::{BUFFER_DESCRIPTOR_OFFSET, BUFFERS_OFFSET, SIZE};
use l4_test::abi::vcpu::{BASIC_SIZE, VcpuState};
use l4_test::memory::{load, store};
use l4_test::sys::ipc;

use crate::arch;

const STACK_SIZE: usize = 16 * 1024;

/// The offsets in a page from here on are in nothing that attackers write to, in whatever page.
const TARGET: usize = THREADS as usize * BASIC_SIZE;
const _: () = assert!(TARGET > THREADS.div_ceil(TASKS) as usize * SIZE && TARGET <= 4096 - 4 * 8);
const _: () = assert!(VCPUS.is_multiple_of(4096) && UTCBS.is_multiple_of(4096));

#[repr(C, align(4096))]
struct Stack(UnsafeCell<[u8; STACK_SIZE]>);

// SAFETY: a stack is used by its thread, and by the runner while that thread is stopped.
unsafe impl Sync for Stack {}

/// What attackers and runner share.
#[repr(C, align(4096))]
pub(crate) struct Shared {
    /// Attackers write to UTCBs and to the states of vCPUs, at these offsets in a page. Where those
    /// should be they may have mapped this page.
    _target: [AtomicU64; TARGET / size_of::<AtomicU64>()],
    /// Seed of the round.
    pub(crate) seed: AtomicU64,
    /// Number of the next step.
    pub(crate) next: AtomicU64,
    /// System calls that were begun in the round.
    pub(crate) calls: AtomicU64,
    /// System calls that the round may have.
    pub(crate) limit: AtomicU64,
    stacks: [Stack; THREADS as usize],
}

/// The memory that the attackers can write.
pub(crate) static SHARED: Shared = Shared {
    _target: [const { AtomicU64::new(0) }; TARGET / size_of::<AtomicU64>()],
    seed: AtomicU64::new(0),
    next: AtomicU64::new(0),
    calls: AtomicU64::new(0),
    limit: AtomicU64::new(0),
    stacks: [const { Stack(UnsafeCell::new([0; STACK_SIZE])) }; THREADS as usize],
};

impl Shared {
    /// End of the stack of thread `number`.
    pub(crate) fn stack_top(&self, number: u64) -> u64 {
        self.stacks[number as usize].0.get() as u64 + STACK_SIZE as u64
    }

    /// Where it begins, and where it ends.
    pub(crate) fn addresses(&self) -> (u64, u64) {
        let start = core::ptr::from_ref(self) as u64;
        (start, start + size_of::<Self>() as u64)
    }
}

/// Address of the UTCB of thread `number`, in its task.
pub(crate) fn utcb(number: u64) -> u64 {
    UTCBS + number / TASKS * SIZE as u64
}

/// Thread `number`.
pub(crate) extern "C" fn attack(number: u64) -> ! {
    let seed = SHARED.seed.load(Relaxed);
    while SHARED.calls.load(Relaxed) < SHARED.limit.load(Relaxed) {
        let index = SHARED.next.fetch_add(1, Relaxed);
        match Step::choose(&mut Choices::seeded(seed, index)) {
            // One that has the only capability to itself would stay for good.
            Step::Call(_, call) if call.makes_task() => {}
            Step::Resume(_, resume)
                if resume.guest.is_some() && !index.is_multiple_of(arch::GUESTS) => {}
            Step::Call(_, call) => {
                SHARED.calls.fetch_add(1, Relaxed);
                perform(number, &call);
            }
            Step::Resume(_, resume) => {
                SHARED.calls.fetch_add(1, Relaxed);
                resume_vcpu(number, &resume);
            }
            Step::Fault(Fault::Page(address, false)) => {
                black_box(load(address & !7));
            }
            Step::Fault(Fault::Page(address, true)) => store(address & !7, 0),
            Step::Fault(Fault::Fpu) => arch::use_fpu(),
            Step::Fault(Fault::Instruction) => arch::undefined_instruction(),
            // What only the test on the host can do.
            _ => {}
        }
    }
    loop {
        operate(
            Selector::INVALID,
            Operation::RECEIVE,
            MessageTag::EMPTY,
            0,
            TimeoutPair::NEVER,
        );
    }
}

fn perform(number: u64, call: &Call) {
    let utcb = utcb(number);
    for (index, word) in (0..).zip(call.words()) {
        store(utcb + index * 8, *word);
    }
    store(
        utcb + BUFFER_DESCRIPTOR_OFFSET as u64,
        call.descriptor.raw(),
    );
    for (index, word) in (0..).zip(call.buffers()) {
        store(utcb + BUFFERS_OFFSET as u64 + index * 8, *word);
    }
    operate(
        call.selector,
        call.operation,
        call.tag,
        call.label,
        call.timeouts,
    );
}

/// Becomes a vCPU, if it is none, and resumes.
fn resume_vcpu(number: u64, resume: &Resume) {
    let (state, extended) = match resume.guest {
        None => (VCPUS + number % VCPU_PLACES * BASIC_SIZE as u64, 0),
        Some(_) => (GUESTS + number % GUEST_PLACES * 4096, VCPU_EXTENDED),
    };
    let invoke = |words: usize, items: usize| {
        let tag = MessageTag::new(label::THREAD, words, items, TagFlags::empty());
        operate(
            Selector::INVALID,
            Operation::CALL,
            tag,
            0,
            TimeoutPair::NEVER,
        );
    };
    store(utcb(number), Opcode::VcpuControl as u64 | extended);
    store(utcb(number) + 8, state);
    invoke(2, 0);
    // Both states are in one word.
    const _: () = assert!(offset_of!(VcpuState, saved_state) == offset_of!(VcpuState, state) + 2);
    let [first, saved] = resume.states.map(|flags| u64::from(flags.bits()));
    store(
        state + offset_of!(VcpuState, state) as u64,
        first | saved << 16,
    );
    let user_task = offset_of!(VcpuState, user_task) as u64;
    store(state + user_task, resume.user_task.raw());
    if let Some(words) = resume.guest {
        arch::prepare_guest(state);
        for (index, word) in words {
            if !arch::FIXED_WORDS.contains(&index) {
                store(guest_word(state, index), word);
            }
        }
    }
    store(utcb(number), Opcode::VcpuResume as u64);
    for (index, word) in (1..).zip(resume.items()) {
        store(utcb(number) + index * 8, *word);
    }
    invoke(1, resume.items().len() / 2);
}

/// Where word `index` of the guest's state is, in the state of a vCPU.
pub(crate) fn guest_word(state: u64, index: usize) -> u64 {
    const _: () = assert!(EXTENDED_STATE_OFFSET + GUEST_WORDS * 8 <= TARGET);
    state + (EXTENDED_STATE_OFFSET + index * 8) as u64
}

fn operate(
    selector: Selector,
    operation: Operation,
    tag: MessageTag,
    label: u64,
    timeouts: TimeoutPair,
) {
    let _ = ipc::operate_raw(selector, operation, tag, label, timeouts);
}
