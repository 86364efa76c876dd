//! Mapping, granting and unmapping capabilities (abi/03 §4.5 to §5).
//!
//! Capabilities have no derivation tree: what is mapped is a sibling.

use core::sync::atomic::{Ordering, fence};

use l4_abi::capability::{OBJECT_SPACE_ORDER, OBJECT_SPACE_SLOTS};
use l4_abi::flexpage::{Block, Flexpage, Transfer};
use l4_abi::item::MapItem;
use l4_abi::protocol::task::UnmapMask;
use l4_abi::rights::CapabilityRights;

use super::{Capability, Entry};
use crate::cpu::Cpu;
use crate::memory::OutOfMemory;
use crate::object::task::Task;
use crate::object::{self, Header};

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
    let send = transfer.send;
    for (index, slot) in source.capabilities.range(send.start(), send.last()) {
        // What is doomed is as good as gone.
        let held = slot.get(cpu);
        let Some(entry) = held.filter(|held| !held.object.common().is_doomed()) else {
            continue;
        };
        let Some(rights) = item.passed_object_rights(entry.rights, pass_special) else {
            continue;
        };
        let to = transfer.receive.start() + (index - send.start());
        if to >= OBJECT_SPACE_SLOTS {
            continue;
        }
        let target = destination.make_slot(cpu, to)?;
        if core::ptr::eq(target, slot) {
            // The capability goes, as an old one does.
            replace(cpu, target);
        } else {
            put(cpu, destination, target, entry.object, rights);
        }
        any = true;
        if item.control.is_grant() {
            remove(cpu, slot);
        }
    }
    Ok(any)
}

/// Puts a capability into a slot of `task`, from which an old one is removed
/// first; if that has the D right, its object is destroyed.
pub fn put(cpu: &Cpu, task: &Task, slot: &Capability, object: &Header, rights: CapabilityRights) {
    loop {
        replace(cpu, slot);
        // The old one may have been to the same object.
        if object.common().is_doomed() {
            return;
        }
        if slot.fill(object, rights) {
            break;
        }
        // Another CPU has filled it.
    }
    // Either this sees that the task ends, or that sees the capability.
    fence(Ordering::SeqCst);
    if task.memory.is_closed() {
        remove(cpu, slot);
    }
}

/// Empties a slot for another capability: with D the object is destroyed.
fn replace(cpu: &Cpu, slot: &Capability) {
    match slot.get(cpu) {
        Some(old) if old.rights.contains(CapabilityRights::DELETE) => {
            object::doom(cpu, old.object);
            remove(cpu, slot);
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
            } else {
                if mask.deletes() && entry.rights.contains(CapabilityRights::DELETE) {
                    object::doom(cpu, entry.object);
                }
                remove(cpu, slot);
            }
        },
    );
}

/// Slots that a step of a long operation looks at.
const STEP: usize = if cfg!(test) { 3 } else { 32 };

/// Removes some capabilities of `task`, which is closed, from slot `first` on.
/// Where to go on, unless all are gone.
pub fn revoke_some(cpu: &Cpu, task: &Task, first: u64) -> Option<u64> {
    let mut next = None;
    for (index, slot) in task.capabilities.range(first, u64::MAX).take(STEP) {
        remove(cpu, slot);
        next = Some(index + 1);
    }
    next
}

#[inline]
fn for_each<'cpu>(
    cpu: &'cpu Cpu,
    task: &Task,
    block: Block,
    mut act: impl FnMut(&Capability, Entry<'cpu>),
) {
    for (_, slot) in task.capabilities.range(block.start(), block.last()) {
        if let Some(entry) = slot.get(cpu) {
            act(slot, entry);
        }
    }
}
