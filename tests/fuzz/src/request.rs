//! What a message asks for, and of whom.

use l4_abi::capability::Selector;
use l4_abi::flexpage::Flexpage;
use l4_abi::item::{MapItem, SendItem};
use l4_abi::protocol::factory::ObjectType;
use l4_abi::protocol::thread::{ControlFlags, EX_REGS_KEEP};
use l4_abi::protocol::{icu, ipc_gate, irq, label, log, scheduler, semaphore, task, thread};
use l4_abi::rights::{CapabilityRights, MemoryRights};
use l4_abi::utcb;
use l4_abi::vcpu::BASIC_SIZE;

use crate::layout::{MEMORY, PART_ORDER, UTCBS, VCPU_PLACES, VCPUS, slots};
use crate::word::{self, any_slot, control, flexpage, slot_from, word};
use crate::{Choices, MAX_WORDS};

/// A message to the object in a slot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) slot: u64,
    pub(crate) label: i64,
    /// The words, then the items.
    pub(crate) words: [u64; MAX_WORDS],
    pub(crate) word_count: usize,
    pub(crate) item_count: usize,
}

impl Request {
    fn new(slot: u64, label: i64, words: &[u64]) -> Self {
        let mut request = Self {
            slot,
            label,
            words: [0; MAX_WORDS],
            word_count: 0,
            item_count: 0,
        };
        request.push(words);
        request
    }

    fn push(&mut self, words: &[u64]) {
        self.words[self.word_count..][..words.len()].copy_from_slice(words);
        self.word_count += words.len();
    }

    fn push_any(&mut self, choices: &mut Choices<'_>, fewer_than: u64) {
        for _ in 0..choices.below(fewer_than) {
            self.push(&[word(choices)]);
        }
    }

    /// The message with two more words, as an item.
    fn item(mut self, words: [u64; 2]) -> Self {
        let at = self.word_count + 2 * self.item_count;
        self.words[at..][..2].copy_from_slice(&words);
        self.item_count += 1;
        self
    }

    /// The message with a capability as its argument.
    fn argument(self, slot: u64) -> Self {
        let item = MapItem::capability(slot, CapabilityRights::RWSD);
        self.item(SendItem::Map(item).words())
    }

    pub(crate) fn choose(choices: &mut Choices<'_>) -> Self {
        match choices.weighted([6, 3, 5, 4, 6, 1]) {
            0 => message(choices),
            1 => new_object(choices),
            2 => of_task(choices),
            3 => of_thread(choices),
            4 => of_others(choices),
            _ => anything(choices),
        }
    }
}

/// A message between threads.
fn message(choices: &mut Choices<'_>) -> Request {
    let slot = word::partner(choices);
    let label = 2 - choices.below(9) as i64;
    let mut request = Request::new(slot, label, &[]);
    request.push_any(choices, 4);
    for _ in 0..choices.below(3) {
        let words = match choices.one_in(6) {
            false => [control(choices), flexpage(choices)],
            true => [word(choices), word(choices)],
        };
        request = request.item(words);
    }
    request
}

fn new_object(choices: &mut Choices<'_>) -> Request {
    let kind = choices.of(&[
        ObjectType::IpcGate,
        ObjectType::Task,
        ObjectType::Thread,
        ObjectType::Factory,
        ObjectType::IrqSender,
        ObjectType::Semaphore,
        ObjectType::Vm,
        ObjectType::VcpuContext,
        ObjectType::DmaSpace,
    ]);
    let area = Flexpage::memory(UTCBS, 12, MemoryRights::empty()).raw();
    let argument = match choices.below(4) {
        0 => area,
        1 => 0x1_0000,
        2 => 0,
        _ => word(choices),
    };
    let slot = slot_from(choices, slots::FACTORY, slots::FACTORY + 1);
    let request = Request::new(slot, label::FACTORY, &[kind.word(), 0, argument]);
    if kind == ObjectType::IpcGate && choices.one_in(2) {
        return request.argument(word::thread(choices));
    }
    request
}

fn of_task(choices: &mut Choices<'_>) -> Request {
    use task::Opcode;
    let slot = word::task(choices);
    match choices.weighted([4, 3, 1, 1]) {
        0 => {
            let words = [Opcode::Map as u64, control(choices), flexpage(choices)];
            Request::new(slot, label::TASK, &words).argument(word::task(choices))
        }
        1 => {
            let masks = [
                task::UnmapMask::ALL_SPACES,
                task::UnmapMask::DELETE_OBJECT,
                task::UnmapMask::OTHER_SPACES,
            ];
            let mask = choices.of(&masks).raw();
            let mut request = Request::new(slot, label::TASK, &[Opcode::Unmap as u64, mask]);
            for _ in 0..=choices.below(3) {
                let all = Flexpage::ALL_SPACES.with_rights(choices.below(16) as u8);
                let flexpage = match choices.one_in(20) {
                    false => flexpage(choices),
                    true => all.raw(),
                };
                request.push(&[flexpage]);
            }
            request
        }
        2 => {
            let page = MEMORY + choices.below(4 << PART_ORDER);
            let order = choices.between(11, 19) as u32;
            let area = Flexpage::memory(page, order, MemoryRights::RW).raw();
            let words = [Opcode::AddKernelUserMemory as u64, area];
            Request::new(slot, label::TASK, &words)
        }
        _ => {
            let mut request = Request::new(slot, label::TASK, &[choices.between(2, 0x14)]);
            request.push_any(choices, 4);
            request
        }
    }
}

fn of_thread(choices: &mut Choices<'_>) -> Request {
    use thread::Opcode;
    let slot = word::thread(choices);
    match choices.weighted([2, 3, 2, 1, 1, 1]) {
        0 => {
            let bind = ControlFlags::BIND_TASK;
            let flags = choices.of(&[
                bind,
                bind.union(ControlFlags::SET_PAGER)
                    .union(ControlFlags::SET_EXCEPTION_HANDLER),
                ControlFlags::SET_PAGER.union(ControlFlags::SET_EXCEPTION_HANDLER),
                ControlFlags::ALIEN,
            ]);
            let handler = Selector::new(any_slot(choices)).raw();
            let values = ControlFlags::ALIEN.bits() * choices.below(2);
            let utcb = UTCBS + choices.below(16) * (utcb::SIZE as u64 / 2);
            let words = [flags.bits(), handler, handler, 0, values, utcb];
            Request::new(slot, label::THREAD, &words).argument(word::task(choices))
        }
        1 => {
            let flags = choices.below(4);
            let pointer = match choices.one_in(2) {
                false => EX_REGS_KEEP,
                true => choices.below(0x1_0000),
            };
            let words = [Opcode::ExRegs as u64 | flags << 16, pointer, pointer];
            Request::new(slot, label::THREAD, &words)
        }
        2 => {
            let mut words = [Opcode::ModifySenders as u64, 0, 0, 0, 0];
            for word in &mut words[1..] {
                *word = choices.below(4) << 6;
            }
            Request::new(slot, label::THREAD, &words)
        }
        3 => {
            let words = [Opcode::RegisterDeletionIrq as u64];
            Request::new(slot, label::THREAD, &words).argument(word::irq(choices))
        }
        4 => {
            let state = VCPUS + choices.below(VCPU_PLACES) * BASIC_SIZE as u64;
            Request::new(slot, label::THREAD, &[Opcode::VcpuControl as u64, state])
        }
        _ => {
            let operation = choices.between(2, 0x14) | choices.below(4) << 16;
            let mut request = Request::new(slot, label::THREAD, &[operation]);
            request.push_any(choices, 7);
            request
        }
    }
}

/// Operations on gates, interrupts, the semaphore and what the kernel itself has made.
fn of_others(choices: &mut Choices<'_>) -> Request {
    let scheduler =
        |choices: &mut Choices<'_>| slot_from(choices, slots::SCHEDULER, slots::SCHEDULER + 1);
    let icu = |choices: &mut Choices<'_>| slot_from(choices, slots::ICU, slots::ICU + 1);
    match choices.weighted([3, 3, 3, 2, 1, 2, 2, 1, 2, 1, 1]) {
        0 => bind(choices, word::gate, ipc_gate::Opcode::BindThread as u64),
        1 => bind(choices, word::irq, irq::BindOpcode::BindThread as u64),
        2 => {
            let cpus = choices.of(&[1, 1, !0, 2, 4, 0]);
            let priority = choices.below(6);
            let quantum = choices.below(3) * 1000;
            let words = [
                scheduler::Opcode::RunThread as u64,
                0,
                cpus,
                priority,
                quantum,
            ];
            Request::new(scheduler(choices), label::SCHEDULER, &words)
                .argument(word::thread(choices))
        }
        3 => {
            let words = [choices.below(2), choices.below(40)];
            Request::new(icu(choices), label::IRQ, &words).argument(word::irq(choices))
        }
        4 => {
            let words = [choices.below(8), choices.below(40), word(choices)];
            Request::new(icu(choices), label::IRQ, &words)
        }
        5 => {
            let operation = choices.of(&[
                ipc_gate::Opcode::GetInfo as u64,
                ipc_gate::Opcode::DecreaseReferences as u64,
                1,
            ]);
            let mut request = Request::new(word::gate(choices), label::KERNEL_OBJECT, &[operation]);
            request.push_any(choices, 4);
            request
        }
        6 => {
            let words = [choices.of(&[irq::Opcode::Trigger as u64, irq::Opcode::Unmask as u64, 0])];
            Request::new(word::irq(choices), label::IRQ, &words)
        }
        7 => {
            let words = [choices.below(4)];
            Request::new(word::irq(choices), label::IRQ_SENDER, &words)
        }
        8 => {
            let words = [semaphore::Opcode::Down as u64];
            Request::new(word::irq(choices), label::SEMAPHORE, &words)
        }
        9 => {
            let operation = choices.of(&[
                scheduler::Opcode::Info as u64,
                scheduler::Opcode::IdleTime as u64,
                icu::Opcode::Info as u64,
                7,
            ]);
            let words = [operation, choices.below(3) << 24, choices.below(4)];
            Request::new(scheduler(choices), label::SCHEDULER, &words)
        }
        _ => {
            let bytes = choices.of(&[0, 1, 489, u64::MAX]);
            let operation = choices.of(&[
                log::Opcode::Write as u64,
                log::Opcode::Read as u64 | 0x10_0000,
                log::Opcode::SetAttributes as u64,
                log::Opcode::GetAttributes as u64,
            ]);
            let slot = slot_from(choices, slots::LOG, slots::LOG + 1);
            Request::new(slot, label::LOG, &[operation, bytes, u64::from(b' ')])
        }
    }
}

fn bind(choices: &mut Choices<'_>, slot: fn(&mut Choices<'_>) -> u64, operation: u64) -> Request {
    let words = [operation, choices.below(5) * 4];
    Request::new(slot(choices), label::KERNEL_OBJECT, &words).argument(word::thread(choices))
}

fn anything(choices: &mut Choices<'_>) -> Request {
    let slot = any_slot(choices);
    let label = 2 - choices.below(28) as i64;
    let mut request = Request::new(slot, label, &[]);
    request.push_any(choices, 8);
    request.item_count = choices.below(3) as usize;
    request
}
