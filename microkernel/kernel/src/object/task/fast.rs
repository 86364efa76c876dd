//! What is asked of tasks most often: whether they have a capability, and to map
//! or unmap one page or one capability. Entry code tries it before anything
//! else, and before it saves all registers, when a system call has the protocol
//! of tasks. It is done at once, without anything that could pause. Anything
//! else is left untouched to the operations that work in steps.

use core::hint::cold_path;

use l4_abi::capability::{OBJECT_SPACE_ORDER, OBJECT_SPACE_SLOTS, Selector};
use l4_abi::flexpage::{Block, Flexpage, Space, Transfer};
use l4_abi::item::{ItemControl, ItemFlags, MapItem};
use l4_abi::message_tag::{MessageTag, TagFlags};
use l4_abi::operation::Operation;
use l4_abi::protocol::label;
use l4_abi::protocol::task::{Opcode, UnmapMask};
use l4_abi::rights::{CapabilityRights, MemoryRights};
use machine::page_table::Access;
use machine::per_cpu::TaskAnswer;

use super::Task;
use super::memory::{CpuFlush, context};
use crate::cpu::Cpu;
use crate::object::thread::{LocalState, Thread, ThreadState, standing::Standing};
use crate::scheduling::fast as scheduling;
use crate::{capability, mapping};

/// The tag of the question whether there is a capability.
const QUESTION: u64 = MessageTag::words_only(label::TASK, 2).raw();
/// The tag of a map of one item: three words, and the source.
const MAP: u64 = MessageTag::new(label::TASK, 3, 1, TagFlags::empty()).raw();
/// The tag of an unmap of one flexpage.
const UNMAP: u64 = MessageTag::words_only(label::TASK, 3).raw();

/// What in a selector is not the index of a slot.
const REST: u64 = !((OBJECT_SPACE_SLOTS - 1) << Selector::SHIFT);

/// Performs the system call of the current thread, if it is one for here.
#[inline(always)]
pub fn syscall(cpu: &Cpu, destination: u64, tag: u64) -> Option<TaskAnswer> {
    let (_, state, caller, selector) = caller(cpu, destination)?;
    if tag == QUESTION {
        return is_there(cpu, &state, target(cpu, caller, selector)?.0);
    }
    // Of these two a smaller part is the way to here.
    cold_path();
    if tag != MAP && tag != UNMAP {
        return None;
    }
    let (task, rights) = target(cpu, caller, selector)?;
    Some(match tag {
        MAP => map(cpu, &state, rights, task, caller),
        _ => unmap(cpu, &state, task),
    })
}

/// The current thread and its task, if its system calls are just carried out, and
/// this is a call of what is in a slot.
#[inline(always)]
pub fn caller(cpu: &Cpu, destination: u64) -> Option<(&Thread, LocalState<'_>, &Task, u64)> {
    let thread = cpu.current.get(cpu)?;
    let state = thread.stands(cpu, Standing::Plain)?;
    let selector = destination.wrapping_sub(Operation::CALL.bits());
    if selector & REST != 0 {
        return None;
    }
    Some((thread, state, thread.task(cpu)?, selector))
}

/// The task that `selector`, a slot of `caller`, names, and the rights on it.
#[inline(always)]
fn target<'cpu>(
    cpu: &'cpu Cpu,
    caller: &Task,
    selector: u64,
) -> Option<(&'cpu Task, CapabilityRights)> {
    let index = Selector::from_raw(selector).index();
    let entry = caller.capabilities.lookup(cpu, index)?;
    Some((entry.object.downcast()?, entry.rights))
}

/// Whether `task` has a capability in a slot.
#[inline(always)]
fn is_there(cpu: &Cpu, state: &ThreadState, task: &Task) -> Option<TaskAnswer> {
    let utcb = state.utcb.get().get(cpu);
    if utcb.word(0) != Opcode::CapabilityInfo.word() {
        return None;
    }
    let selector = Selector::from_raw(utcb.word(1));
    if selector.raw() & REST != 0 {
        return None;
    }
    let capability = task.capabilities.lookup(cpu, selector.index());
    let is_there = i64::from(capability.is_some());
    Some(TaskAnswer::new(MessageTag::label_only(is_there)))
}

/// The index of the one capability that `flexpage` is.
#[inline(always)]
fn single(flexpage: Flexpage) -> Option<u64> {
    let is_one = flexpage.is_capability() && flexpage.index() < OBJECT_SPACE_SLOTS;
    is_one.then_some(flexpage.index())
}

/// Maps to `task`, on which `caller` has `rights`.
#[inline(never)]
fn map(
    cpu: &Cpu,
    state: &ThreadState,
    rights: CapabilityRights,
    task: &Task,
    caller: &Task,
) -> TaskAnswer {
    let map = || {
        let utcb = state.utcb.get().get(cpu);
        let argument = Flexpage::from_raw(utcb.word(4));
        let is_map =
            utcb.word(0) == Opcode::Map.word() && utcb.word(3) & ItemFlags::MAP.bits() != 0;
        if !is_map || !rights.contains(CapabilityRights::WRITE) {
            return None;
        }
        let given = caller.capabilities.lookup(cpu, single(argument)?)?;
        let source = given.object.downcast::<Task>()?;
        if task.memory.is_closed() || source.memory.is_closed() {
            return None;
        }
        // What is no map item is taken for one (abi/05).
        let control = ItemControl::from_raw(utcb.word(1) | ItemFlags::MAP.bits());
        let flexpage = Flexpage::from_raw(utcb.word(2));
        let Some(index) = single(flexpage) else {
            return map_page(cpu, source, task, control, flexpage);
        };
        let both = rights.intersection(given.rights);
        let pass_special = both.contains(CapabilityRights::SPECIAL);
        let item = MapItem {
            control,
            flexpage,
            space: Space::Object,
        };
        map_one(cpu, [source, task], index, &item, pass_special)
    };
    match map() {
        Some(()) => answer(is_all(cpu), state, MessageTag::EMPTY),
        None => TaskAnswer::NOWHERE,
    }
}

/// Maps an item from `source` to wherever it wants in `destination`, if that is one page that can
/// be mapped at once. Nothing is done if not.
#[inline(never)]
pub fn map_page(
    cpu: &Cpu,
    source: &Task,
    destination: &Task,
    control: ItemControl,
    flexpage: Flexpage,
) -> Option<()> {
    let send = flexpage.page().filter(|_| control.is_plain())?;
    let receive = control.base_address();
    let (from, to) = (source.memory.space(), destination.memory.space());
    let mut flush = CpuFlush(cpu);
    let context = &mut context(cpu.kernel, &mut flush);
    mapping::fast::map(context, from, to, [send, receive], flexpage.memory_rights())
}

/// Maps or grants the one capability of an item, which is in slot `index`,
/// to where the item wants it in the destination, which is not closed.
#[inline(always)]
fn map_one(
    cpu: &Cpu,
    [source, destination]: [&Task; 2],
    index: u64,
    item: &MapItem,
    pass_special: bool,
) -> Option<()> {
    let Some(slot) = source.capabilities.get(index) else {
        return Some(());
    };
    let window = Flexpage::ALL_SPACES.block(OBJECT_SPACE_ORDER);
    let transfer = Transfer::aligned(Block::new(index, 0), window, item.control.base_index());
    let to = transfer.receive.start();
    let passed = capability::pass(cpu, slot, destination, to, item, pass_special);
    passed.ok().map(|_| ())
}

/// Unmaps from `task`.
#[inline(never)]
fn unmap(cpu: &Cpu, state: &ThreadState, task: &Task) -> TaskAnswer {
    let utcb = state.utcb.get().get(cpu);
    if utcb.word(0) != Opcode::Unmap.word() || task.memory.is_closed() {
        return TaskAnswer::NOWHERE;
    }
    let flexpage = Flexpage::from_raw(utcb.word(2));
    let mask = UnmapMask::from_raw(utcb.word(1));
    let Some(index) = single(flexpage) else {
        return unmap_page(cpu, state, task, flexpage, mask);
    };
    unmap_one(cpu, task, index, flexpage, mask);
    unmapped(cpu, state, flexpage, 0)
}

/// Task unmap for a flexpage that is one capability, that in slot `index`.
#[inline(always)]
fn unmap_one(cpu: &Cpu, task: &Task, index: u64, flexpage: Flexpage, mask: UnmapMask) {
    if mask.includes_own()
        && let Some(slot) = task.capabilities.get(index)
    {
        let lost = flexpage.object_rights();
        let full = lost.contains(CapabilityRights::READ);
        capability::empty(cpu, slot, lost, full, mask);
    }
}

#[inline(never)]
fn unmap_page(
    cpu: &Cpu,
    state: &ThreadState,
    task: &Task,
    flexpage: Flexpage,
    mask: UnmapMask,
) -> TaskAnswer {
    match revoke(cpu, task, flexpage, mask) {
        Some(access) => unmapped(cpu, state, flexpage, access),
        None => TaskAnswer::NOWHERE,
    }
}

/// Revokes a flexpage, if that is one page that can be revoked at once; what hardware noted.
/// Nothing is done if not.
#[inline(always)]
fn revoke(cpu: &Cpu, task: &Task, flexpage: Flexpage, mask: UnmapMask) -> Option<u8> {
    let is_whole = mask.includes_own() && flexpage.memory_rights().contains(MemoryRights::READ);
    let address = flexpage.page().filter(|_| is_whole)?;
    let mut flush = CpuFlush(cpu);
    let context = &mut context(cpu.kernel, &mut flush);
    mapping::fast::unmap(context, task.memory.space(), address).map(Access::bits)
}

#[inline(always)]
fn unmapped(cpu: &Cpu, state: &ThreadState, flexpage: Flexpage, access: u8) -> TaskAnswer {
    let utcb = state.utcb.get().get(cpu);
    utcb.set_word(2, flexpage.with_rights(access).raw());
    answer(is_all(cpu), state, MessageTag::words_only(0, 3))
}

/// True if nothing ends by what was done, and nobody else is to run.
#[inline(always)]
pub fn is_all(cpu: &Cpu) -> bool {
    cpu.kernel.reaper.is_empty() && scheduling::is_settled(cpu)
}

/// The thread goes on with this answer, at once if that is all.
#[inline(always)]
pub fn answer(is_all: bool, state: &ThreadState, answer: MessageTag) -> TaskAnswer {
    if is_all {
        TaskAnswer::new(answer)
    } else {
        state.context.frame.set_tag(answer.raw());
        TaskAnswer::TO_THE_EXIT
    }
}
