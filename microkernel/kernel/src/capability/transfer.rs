//! Mapping, granting and unmapping capabilities (abi/03 §4.5 to §5).
//!
//! Capabilities have no derivation tree: what is mapped is a sibling.

use l4_abi::capability::{OBJECT_SPACE_ORDER, OBJECT_SPACE_SLOTS};
use l4_abi::flexpage::{Block, Flexpage, Transfer};
use l4_abi::item::MapItem;
use l4_abi::protocol::task::UnmapMask;
use l4_abi::rights::CapabilityRights;

use super::{Capability, Entry};
use crate::cpu::Cpu;
use crate::memory::OutOfMemory;
use crate::object;
use crate::object::task::Task;

/// Maps or grants the capabilities of an item from `source` to `window` in
/// `destination`. True if there was any.
pub fn map(
    cpu: &Cpu,
    source: &Task,
    destination: &Task,
    item: MapItem,
    window: Flexpage,
    pass_special: bool,
) -> Result<bool, OutOfMemory> {
    if destination.memory.is_closed() {
        // Its slots have been emptied for good.
        return Ok(false);
    }
    let transfer = Transfer::aligned(
        item.flexpage.block(OBJECT_SPACE_ORDER),
        window.block(OBJECT_SPACE_ORDER),
        item.control.base_index(),
    );
    let mut any = false;
    let mut next = transfer.send.start();
    while let Some((index, slot)) = source.capabilities.next_slot(next) {
        if !transfer.send.contains(index) {
            break;
        }
        next = index + 1;
        let Some(entry) = slot.get(cpu) else {
            continue;
        };
        let Some(rights) = item.passed_object_rights(entry.rights, pass_special) else {
            continue;
        };
        let to = transfer.receive.start() + (index - transfer.send.start());
        if put(cpu, destination, to, (slot, entry), rights)? {
            any = true;
            if item.control.is_grant() {
                remove(cpu, slot);
            }
        }
    }
    Ok(any)
}

/// Puts what is in the slot `from` into slot `index`, from which an old
/// capability is removed first; if that has the D right, its object is
/// destroyed. False if there can be no such slot.
fn put(
    cpu: &Cpu,
    destination: &Task,
    index: u64,
    (from, entry): (&Capability, Entry<'_>),
    rights: CapabilityRights,
) -> Result<bool, OutOfMemory> {
    if index >= OBJECT_SPACE_SLOTS {
        return Ok(false);
    }
    let slot = destination.make_slot(cpu, index)?;
    replace(cpu, slot);
    // That may have been the capability itself, or the object.
    if !core::ptr::eq(slot, from) && !entry.object.common().is_doomed() {
        slot.fill(entry.object, rights);
    }
    Ok(true)
}

/// Empties a slot for another capability: with D the object is destroyed.
pub fn replace(cpu: &Cpu, slot: &Capability) {
    match slot.get(cpu) {
        Some(old) if old.rights.contains(CapabilityRights::DELETE) => {
            object::delete(cpu, old.object);
        }
        Some(_) => remove(cpu, slot),
        None => {}
    }
}

/// Empties a slot; its object is destroyed if that was its last counted
/// capability.
pub(super) fn remove(cpu: &Cpu, slot: &Capability) {
    if let Some((object, true)) = slot.clear(cpu) {
        object::doom(cpu, &object);
    }
}

/// Task unmap for the capabilities of `task` in a flexpage.
pub fn unmap(cpu: &Cpu, task: &Task, flexpage: Flexpage, mask: UnmapMask) {
    if !mask.includes_own() {
        return;
    }
    let lost = flexpage.object_rights();
    let full = lost.contains(CapabilityRights::READ) || flexpage.is_all_spaces();
    for_each(
        cpu,
        task,
        flexpage.block(OBJECT_SPACE_ORDER),
        |slot, entry| {
            if !full {
                slot.restrict(cpu, lost.intersection(CapabilityRights::INVOCATION));
            } else if mask.deletes() && entry.rights.contains(CapabilityRights::DELETE) {
                object::delete(cpu, entry.object);
            } else {
                remove(cpu, slot);
            }
        },
    );
}

/// Removes all capabilities of `task`.
pub fn revoke_all(cpu: &Cpu, task: &Task) {
    for_each(cpu, task, Block::new(0, OBJECT_SPACE_ORDER), |slot, _| {
        remove(cpu, slot);
    });
}

fn for_each<'cpu>(
    cpu: &'cpu Cpu,
    task: &Task,
    block: Block,
    mut act: impl FnMut(&Capability, Entry<'cpu>),
) {
    let mut next = block.start();
    while let Some((index, slot)) = task.capabilities.next_slot(next) {
        if !block.contains(index) {
            break;
        }
        next = index + 1;
        if let Some(entry) = slot.get(cpu) {
            act(slot, entry);
        }
    }
}
