//! Words that may mean something to the kernel.

use l4_abi::capability::Selector;
use l4_abi::flexpage::Flexpage;
use l4_abi::item::{ItemControl, ItemFlags};
use l4_abi::rights::{CapabilityRights, MemoryRights};

use crate::Choices;
use crate::layout::{MEMORY, MEMORY_END, PART_ORDER, UTCBS, slots};

pub(crate) fn any_slot(choices: &mut Choices<'_>) -> u64 {
    choices.between(slots::FIRST, slots::END)
}

/// Mostly a slot where such an object is at the start.
pub(crate) fn slot_from(choices: &mut Choices<'_>, first: u64, end: u64) -> u64 {
    match choices.one_in(6) {
        false => choices.between(first, end),
        true => any_slot(choices),
    }
}

pub(crate) fn thread(choices: &mut Choices<'_>) -> u64 {
    slot_from(choices, slots::THREADS, slots::TASKS)
}

/// A task, or the virtual machine.
pub(crate) fn task(choices: &mut Choices<'_>) -> u64 {
    match choices.one_in(6) {
        false => slot_from(choices, slots::TASKS, slots::GATES),
        true => slots::VM,
    }
}

pub(crate) fn gate(choices: &mut Choices<'_>) -> u64 {
    slot_from(choices, slots::GATES, slots::IRQS)
}

/// An IRQ sender or the semaphore.
pub(crate) fn irq(choices: &mut Choices<'_>) -> u64 {
    slot_from(choices, slots::IRQS, slots::FACTORY)
}

/// Somebody who can get messages.
pub(crate) fn partner(choices: &mut Choices<'_>) -> u64 {
    match choices.one_in(2) {
        false => thread(choices),
        true => gate(choices),
    }
}

fn objects(choices: &mut Choices<'_>) -> Flexpage {
    let slot = any_slot(choices);
    let order = match choices.weighted([8, 2, 1]) {
        0 => 0,
        1 => choices.below(5) as u32,
        _ => 7,
    };
    let rights = match choices.one_in(2) {
        false => CapabilityRights::RWSD,
        true => CapabilityRights::from_bits_retain(choices.below(16) as u8),
    };
    Flexpage::objects(slot, order, rights)
}

fn memory(choices: &mut Choices<'_>) -> Flexpage {
    let order = match choices.weighted([4, 3, 1, 1]) {
        0 => choices.between(12, 16) as u32,
        1 => choices.between(PART_ORDER.into(), 22) as u32,
        2 => Flexpage::WHOLE_SPACE_ORDER,
        _ => choices.below(12) as u32,
    };
    let address = match choices.one_in(2) {
        false => choices.between(MEMORY, MEMORY_END),
        true => choices.between(UTCBS, UTCBS + 0x8000),
    };
    let rights = MemoryRights::from_bits_truncate(choices.below(8) as u8);
    Flexpage::memory(address, order, rights)
}

pub(crate) fn flexpage(choices: &mut Choices<'_>) -> u64 {
    match choices.weighted([6, 3, 1, 1]) {
        0 => objects(choices).raw(),
        1 => memory(choices).raw(),
        2 => {
            let port = choices.below(100) as u16;
            Flexpage::io_ports(port, choices.below(17) as u32).raw()
        }
        _ => choices.word(),
    }
}

/// First word of an item.
pub(crate) fn control(choices: &mut Choices<'_>) -> u64 {
    let base = any_slot(choices) << Selector::SHIFT;
    let attributes = choices.below(16) << 4;
    let grant = choices.below(2) << 1;
    let compound = u64::from(choices.one_in(8));
    let flags = ItemFlags::from_bits_retain(attributes | grant | compound);
    ItemControl::map(base, flags).raw()
}

/// A word that may mean something to somebody.
pub(crate) fn word(choices: &mut Choices<'_>) -> u64 {
    match choices.weighted([4, 2, 3, 2, 1, 1, 1]) {
        0 => choices.below(20),
        1 => Selector::new(any_slot(choices)).raw(),
        2 => flexpage(choices),
        3 => control(choices),
        4 => 0_u64.wrapping_sub(choices.below(26)),
        5 => choices.below(12) | choices.below(0x200) << 16,
        _ => choices.word(),
    }
}
