//! One system call: registers, message and receive buffers.

use l4_abi::capability::Selector;
use l4_abi::item::ReceiveBuffer;
use l4_abi::message_tag::{MessageTag, TagFlags};
use l4_abi::operation::Operation;
use l4_abi::protocol::factory::ObjectType;
use l4_abi::protocol::{label, platform_control, scheduler};
use l4_abi::timeout::{Timeout, TimeoutPair};
use l4_abi::utcb::BufferDescriptor;

use crate::Choices;
use crate::layout::MAX_PRIORITY;
use crate::request::Request;
use crate::word;

/// Most words that a call writes to its message registers.
pub const MAX_WORDS: usize = 16;
/// Most words that a call writes to its buffer registers.
pub const MAX_BUFFERS: usize = 6;

/// A system call. What it does not write of the UTCB is left over from earlier ones.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// Whom it is for.
    pub selector: Selector,
    /// Its phases.
    pub operation: Operation,
    /// What the message consists of.
    pub tag: MessageTag,
    /// The label register.
    pub label: u64,
    /// How long it waits.
    pub timeouts: TimeoutPair,
    /// The buffer descriptor register.
    pub descriptor: BufferDescriptor,
    words: [u64; MAX_WORDS],
    buffers: [u64; MAX_BUFFERS],
    buffer_count: usize,
}

impl Call {
    /// Whether it asks a factory for a task, or a virtual machine, which is one.
    pub fn makes_task(&self) -> bool {
        let kinds = [ObjectType::Task, ObjectType::Vm].map(ObjectType::word);
        self.tag.label() == label::FACTORY && kinds.contains(&self.words[0])
    }

    /// The first message registers.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// The first buffer registers.
    pub fn buffers(&self) -> &[u64] {
        &self.buffers[..self.buffer_count]
    }

    /// A call.
    pub fn choose(choices: &mut Choices<'_>) -> Self {
        let request = Request::choose(choices);
        let flags = TagFlags::from_bits_retain(choices.below(16) << 12);
        // Now and then with whatever the registers hold.
        let word_count = match choices.one_in(16) {
            false => request.word_count,
            true => choices.below(64) as usize,
        };
        let (selector, operation) = destination(choices, request.slot);
        let mut call = Self {
            selector,
            operation,
            tag: MessageTag::new(request.label, word_count, request.item_count, flags),
            label: 0x44,
            timeouts: TimeoutPair::new(timeout(choices), timeout(choices)),
            descriptor: descriptor(choices),
            words: request.words,
            buffers: [0; MAX_BUFFERS],
            buffer_count: 0,
        };
        for _ in 0..=choices.below(2) {
            call.push_buffer(choices);
        }
        call.stay_harmless();
        call
    }

    fn push_buffer(&mut self, choices: &mut Choices<'_>) {
        let slot = word::any_slot(choices);
        let words = match choices.weighted([6, 1, 3, 1]) {
            0 => [ReceiveBuffer::slot_word(slot, choices.one_in(2)), 0],
            1 => {
                let task = word::task(choices);
                let forward = ReceiveBuffer::slot_word(slot, false) | 1;
                [forward, Selector::new(task).raw()]
            }
            2 => [ReceiveBuffer::WINDOW_WORD, word::flexpage(choices)],
            _ => [word::word(choices), 0],
        };
        let count = 1 + usize::from(words[1] != 0);
        self.buffers[self.buffer_count..][..count].copy_from_slice(&words[..count]);
        self.buffer_count += count;
    }

    /// Leaves out what would end the test.
    fn stay_harmless(&mut self) {
        let (label, opcode) = (self.tag.label(), self.words[0]);
        let is = |wanted, operation| label == wanted && opcode == operation;
        if is(label::NONE, platform_control::Opcode::Shutdown as u64)
            || is(label::NONE, platform_control::Opcode::Suspend as u64)
        {
            self.words[0] = u64::MAX;
        }
        if is(label::SCHEDULER, scheduler::Opcode::RunThread as u64) {
            use scheduler::run_thread_word::{CLASS_PRIORITY, PRIORITY};
            for at in [PRIORITY, CLASS_PRIORITY] {
                if self.words[at] != scheduler::CLASS_FIXED_PRIORITY as u64 {
                    self.words[at] &= MAX_PRIORITY;
                }
            }
        }
    }
}

fn destination(choices: &mut Choices<'_>, slot: u64) -> (Selector, Operation) {
    if choices.weighted([2, 1]) == 0 {
        let selector = match choices.weighted([12, 1, 1]) {
            0 => Selector::new(slot),
            1 => Selector::INVALID,
            _ => Selector::reply(choices.below(4) * 300),
        };
        let operation = match choices.weighted([6, 1, 1, 1]) {
            0 => Operation::CALL,
            1 => Operation::SEND,
            2 => Operation::SEND_AND_WAIT,
            _ => Operation::from_bits_retain(choices.below(16)),
        };
        return (selector, operation);
    }
    let selector = match choices.weighted([4, 2, 2, 1]) {
        0 => Selector::INVALID,
        1 => Selector::reply(choices.below(4) * 300),
        2 => Selector::new(word::partner(choices)),
        _ => Selector::new(word::irq(choices)),
    };
    let operations = [
        Operation::WAIT,
        Operation::RECEIVE,
        Operation::SEND_REPLY,
        Operation::REPLY_AND_WAIT,
    ];
    (selector, choices.of(&operations))
}

fn timeout(choices: &mut Choices<'_>) -> Timeout {
    match choices.weighted([2, 3, 3, 1]) {
        0 => Timeout::NEVER,
        1 => Timeout::ZERO,
        2 => Timeout::from_micros(choices.between(1, 3000)),
        _ => Timeout::absolute(choices.below(4) as usize),
    }
}

fn descriptor(choices: &mut Choices<'_>) -> BufferDescriptor {
    match choices.one_in(8) {
        false => BufferDescriptor::DEFAULT,
        true => BufferDescriptor::from_raw(choices.word()),
    }
}
