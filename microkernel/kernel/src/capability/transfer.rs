//! Mapping, granting and unmapping capabilities (abi/03 §4.5 to §5).
//!
//! Capabilities have no derivation tree: what is mapped is a sibling.

use core::sync::atomic::{Ordering, fence};

use l4_abi::capability::{OBJECT_SPACE_ORDER, OBJECT_SPACE_SLOTS};
use l4_abi::flexpage::{Flexpage, Transfer};
use l4_abi::item::MapItem;
use l4_abi::protocol::task::UnmapMask;
use l4_abi::rights::CapabilityRights;

use super::{Capability, Entry};
use crate::cpu::Cpu;
use crate::memory::OutOfMemory;
use crate::object::task::Task;
use crate::object::{self, Header};

/// Slots that a step of a long operation looks at.
const STEP: usize = if cfg!(test) { 3 } else { 32 };

/// The mapping or granting of the capabilities of an item, and its progress.
pub struct Mapping {
    item: MapItem,
    transfer: Transfer,
    pass_special: bool,
    /// The slot from which on it goes on.
    next: u64,
    has_found: bool,
}

impl Mapping {
    /// Prepares to map the capabilities of an item to `window`.
    pub fn new(item: MapItem, window: Flexpage, pass_special: bool) -> Self {
        let transfer = Transfer::aligned(
            item.flexpage.block(OBJECT_SPACE_ORDER),
            window.block(OBJECT_SPACE_ORDER),
            item.control.base_index(),
        );
        Self {
            item,
            transfer,
            pass_special,
            next: transfer.send.start(),
            has_found: false,
        }
    }

    /// Goes on. At the end, whether there was any.
    pub fn step(
        &mut self,
        cpu: &Cpu,
        source: &Task,
        destination: &Task,
    ) -> Option<Result<bool, OutOfMemory>> {
        if destination.memory.is_closed() {
            // Its slots have been emptied for good.
            return Some(Ok(self.has_found));
        }
        let send = self.transfer.send;
        let mut slots = source.capabilities.range(self.next, send.last());
        for (index, slot) in slots.by_ref().take(STEP) {
            let to = self.transfer.receive.start() + (index - send.start());
            match pass(cpu, slot, destination, to, &self.item, self.pass_special) {
                Ok(is_passed) => self.has_found |= is_passed,
                Err(error) => return Some(Err(error)),
            }
            self.next = index + 1;
        }
        match self.next > send.last() || slots.next().is_none() {
            true => Some(Ok(self.has_found)),
            false => None,
        }
    }
}

/// Maps or grants the capability in `slot` to slot `to` of `destination`. False
/// if there is none to map.
#[inline(always)]
pub fn pass(
    cpu: &Cpu,
    slot: &Capability,
    destination: &Task,
    to: u64,
    item: &MapItem,
    pass_special: bool,
) -> Result<bool, OutOfMemory> {
    // What is doomed is as good as gone.
    let held = slot.get(cpu);
    let Some(entry) = held.filter(|held| !held.object.common().is_doomed()) else {
        return Ok(false);
    };
    let rights = item.passed_object_rights(entry.rights, pass_special);
    let (Some(rights), true) = (rights, to < OBJECT_SPACE_SLOTS) else {
        return Ok(false);
    };
    let target = destination.make_slot(cpu, to)?;
    if core::ptr::eq(target, slot) {
        // The capability goes, as an old one does.
        replace(cpu, target);
    } else {
        put(cpu, destination, target, entry.object, rights);
    }
    if item.control.is_grant() {
        remove(cpu, slot);
    }
    Ok(true)
}

/// Puts a capability into a slot of `task`, from which an old one is removed
/// first; if that has the D right, its object is destroyed.
#[inline(always)]
pub fn put(cpu: &Cpu, task: &Task, slot: &Capability, object: &Header, rights: CapabilityRights) {
    while !slot.fill(object, rights) {
        if object.common().is_doomed() {
            return;
        }
        // The old one may be to this object, and another CPU fill the slot meanwhile.
        replace(cpu, slot);
    }
    // Either this sees that the task ends, or that sees the capability.
    fence(Ordering::SeqCst);
    if task.memory.is_closed() {
        remove(cpu, slot);
    }
}

/// Empties a slot for another capability: with D the object is destroyed.
#[cold]
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
    if let Some(entry) = slot.get(cpu) {
        remove_entry(cpu, slot, entry);
    }
}

#[inline(always)]
fn remove_entry(cpu: &Cpu, slot: &Capability, entry: Entry<'_>) {
    if let Some((object, true)) = slot.clear_of(entry.object) {
        object::doom(cpu, &object);
    }
}

/// Task unmap for some capabilities of `task` in a flexpage, from slot `first`
/// on. Where to go on, unless all are done.
pub fn unmap_some(
    cpu: &Cpu,
    task: &Task,
    flexpage: Flexpage,
    mask: UnmapMask,
    first: u64,
) -> Option<u64> {
    if !mask.includes_own() {
        return None;
    }
    let lost = flexpage.object_rights();
    let full = lost.contains(CapabilityRights::READ);
    let block = flexpage.block(OBJECT_SPACE_ORDER);
    let mut slots = task
        .capabilities
        .range(first.max(block.start()), block.last());
    for (_, slot) in slots.by_ref().take(STEP) {
        empty(cpu, slot, lost, full, mask);
    }
    slots.next().map(|(index, _)| index)
}

/// Empties a slot, or takes rights away if it is not to lose all of them.
#[inline(always)]
pub fn empty(cpu: &Cpu, slot: &Capability, lost: CapabilityRights, full: bool, mask: UnmapMask) {
    let Some(entry) = slot.get(cpu) else {
        return;
    };
    if !full {
        slot.restrict(cpu, lost.intersection(CapabilityRights::INVOCATION));
        return;
    }
    if mask.deletes() && entry.rights.contains(CapabilityRights::DELETE) {
        object::doom(cpu, entry.object);
    }
    remove_entry(cpu, slot, entry);
}
