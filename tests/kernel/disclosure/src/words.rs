//! What the kernel writes to memory that user mode reads: no more than the ABI says.

use core::mem::offset_of;

use l4_test::abi::error::IpcError;
use l4_test::abi::exception::FRAME_WORDS;
use l4_test::abi::kip::MEMORY_DESCRIPTORS;
use l4_test::abi::message_tag::MessageTag;
use l4_test::abi::protocol::thread::Opcode;
use l4_test::abi::protocol::{label, task};
use l4_test::abi::timeout::TimeoutPair;
use l4_test::abi::utcb::{BUFFER_DESCRIPTOR_OFFSET, ERROR_OFFSET, KERNEL_WORD_OFFSET, SIZE};
use l4_test::abi::vcpu::VcpuState;
use l4_test::fault::spawn_paged;
use l4_test::memory::{PAGE, UNUSED, load, store};
use l4_test::message::{wait, word};
use l4_test::sys::object::Thread;
use l4_test::sys::{Selector, Utcb, ipc};
use l4_test::{Message, Reply, Worker, kip, own, spawn};

use crate::arch;
use crate::probe::kernel_user_page;

/// What a UTCB is full of, with the number of each word.
const FULL: u64 = 0x5a5a_5a5a_0000_0000;
const WORDS: usize = SIZE / 8;

/// The words of the calling thread's UTCB that have another value after `operation`; a bit each.
fn changed(operation: impl FnOnce()) -> u128 {
    let utcb = Utcb::current().address() as u64;
    // The kernel's word, and how receive buffers are arranged.
    let kept = [KERNEL_WORD_OFFSET / 8, BUFFER_DESCRIPTOR_OFFSET / 8];
    let mut before = [0; WORDS];
    for (index, value) in before.iter_mut().enumerate() {
        let place = utcb + index as u64 * 8;
        // Buffers: none.
        let is_buffer = index == BUFFER_DESCRIPTOR_OFFSET / 8 + 1;
        if !kept.contains(&index) {
            store(place, if is_buffer { 0 } else { FULL | index as u64 });
        }
        *value = load(place);
    }
    operation();
    let is_other = |index: &usize| load(utcb + *index as u64 * 8) != before[*index];
    (0..WORDS)
        .filter(is_other)
        .fold(0, |set, index| set | 1 << index)
}

/// The first so many message words.
const fn words(count: usize) -> u128 {
    (1 << count) - 1
}

pub(crate) fn a_failed_send_writes_its_error_only() {
    let empty = Selector::new(0);
    let set = changed(|| {
        let sent = ipc::send(empty, MessageTag::EMPTY, TimeoutPair::NEVER);
        assert_eq!(sent, Err(IpcError::NOT_EXISTENT));
    });
    assert_eq!(set, 1 << (ERROR_OFFSET / 8));
}

pub(crate) fn an_operation_writes_its_results_only() {
    // The first of two words of the request is overwritten by the one of the result.
    let request = [Opcode::StatsTime.word(), 7];
    let time = Message::new(label::THREAD).words(&request);
    let set = changed(|| assert_eq!(time.call(*own::thread()).outcome(), Ok(0)));
    assert_eq!((set, word(1)), (words(2), 7));
    let request = [task::Opcode::CapabilityInfo.word(), 0];
    let valid = Message::new(label::TASK).words(&request);
    let set = changed(|| assert_eq!(valid.call(*own::task()).outcome(), Ok(0)));
    assert_eq!((set, [word(0), word(1)]), (words(2), request));
}

pub(crate) fn an_answer_writes_its_words_only() {
    for count in [0, 1, 2, 5, 63] {
        let server: Worker<()> = spawn(move || {
            wait();
            Message::new(0).words(&[0x77; 63][..count]).reply();
        });
        let set = changed(|| assert!(Message::new(0).call(*server.thread()).came()));
        assert_eq!(set, words(count));
    }
}

fn await_message() -> Reply {
    let message = wait();
    assert!(message.came());
    message
}

pub(crate) fn an_exception_message_writes_the_frame_only() {
    // SAFETY: the exception is not answered.
    let _worker = spawn_paged(|| unsafe { arch::undefined() });
    let set = changed(|| assert_eq!(await_message().tag.label(), label::EXCEPTION));
    assert_eq!(set & !words(FRAME_WORDS), 0);
    // What the frame has no register for is zero.
    assert!(arch::reserved_words().iter().all(|&index| word(index) == 0));
}

pub(crate) fn a_page_fault_message_writes_two_words_only() {
    let _worker = spawn_paged(|| load(UNUSED));
    let set = changed(|| assert_eq!(await_message().tag.label(), label::PAGE_FAULT));
    assert_eq!(set, words(2));
}

/// What is in the part for the vCPU's kernel mode is tested in `vcpu`.
pub(crate) fn a_new_vcpu_state_is_empty_but_for_version_and_host() {
    let page = kernel_user_page();
    let worker = spawn(move || Thread::SELF.vcpu_control(page));
    assert_eq!(worker.join(), Ok(()));
    let (host, end) = (offset_of!(VcpuState, host), size_of::<VcpuState>());
    for offset in (8..PAGE as usize).step_by(8) {
        let value = load(page + offset as u64);
        assert!(
            value == 0 || (host..end).contains(&offset),
            "{offset:#x}: {value:#x}"
        );
    }
}

/// But what memory is not to be had, which it says of all memory.
pub(crate) fn the_kernel_info_page_tells_no_address_of_the_kernel() {
    let first = kip::header().memory_descriptors_offset as usize / 8;
    let descriptors = first..first + MEMORY_DESCRIPTORS * 2;
    for (index, bytes) in kip::page().chunks_exact(8).enumerate() {
        if descriptors.contains(&index) {
            continue;
        }
        let mut value = [0; 8];
        value.copy_from_slice(bytes);
        let value = u64::from_le_bytes(value);
        assert!(
            !arch::is_kernel_address(value),
            "{:#x}: {value:#x}",
            index * 8
        );
    }
}
