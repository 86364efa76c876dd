//! What is asked of tasks most often: to map or unmap one page or one
//! capability. It is done at once, on the short way through the kernel
//! (`ipc::fast`), without anything that could pause. Anything else is left
//! untouched to the operations that work in steps.

use l4_abi::flexpage::{Flexpage, Space};
use l4_abi::item::{ItemControl, ItemFlags, MapItem};
use l4_abi::message_tag::{MessageTag, TagFlags};
use l4_abi::protocol::label;
use l4_abi::protocol::task::{Opcode, UnmapMask};
use l4_abi::rights::CapabilityRights;
use machine::utcb::Utcb;

use super::Task;
use super::memory::map_page;
use crate::capability::{self, Entry};
use crate::cpu::Cpu;

/// The tag of a map of one item: three words, and the source.
pub const MAP: MessageTag = MessageTag::new(label::TASK, 3, 1, TagFlags::empty());
/// The tag of an unmap of one flexpage.
pub const UNMAP: MessageTag = MessageTag::words_only(label::TASK, 3);

/// Performs the map with tag [`MAP`] that a thread of `caller` asks of the
/// object that `entry` names; the answer. `None`, and nothing is done, if this
/// is not for here.
#[inline(never)]
pub fn map(cpu: &Cpu, caller: &Task, utcb: &Utcb, entry: Entry<'_>) -> Option<MessageTag> {
    let task = entry.object.downcast::<Task>()?;
    let argument = Flexpage::from_raw(utcb.word(4));
    let is_map = utcb.word(0) == Opcode::Map.word()
        && utcb.word(3) & ItemFlags::MAP.bits() != 0
        && argument.is_capability();
    if !is_map || !entry.rights.contains(CapabilityRights::WRITE) {
        return None;
    }
    let given = caller.capabilities.lookup(cpu, argument.index())?;
    let source = given.object.downcast::<Task>()?;
    if task.memory.is_closed() || source.memory.is_closed() {
        return None;
    }
    // What is no map item is taken for one (abi/05).
    let control = ItemControl::from_raw(utcb.word(1) | ItemFlags::MAP.bits());
    let both = entry.rights.intersection(given.rights);
    let pass_special = both.contains(CapabilityRights::SPECIAL);
    let flexpage = Flexpage::from_raw(utcb.word(2));
    if flexpage.is_capability() {
        let item = MapItem {
            control,
            flexpage,
            space: Space::Object,
        };
        capability::map_one(cpu, source, task, &item, pass_special).ok()?;
    } else {
        map_page(cpu, source, task, control, flexpage)?;
    }
    Some(MessageTag::EMPTY)
}

/// The same for an unmap with tag [`UNMAP`].
#[inline(never)]
pub fn unmap(cpu: &Cpu, utcb: &Utcb, entry: Entry<'_>) -> Option<MessageTag> {
    let task = entry.object.downcast::<Task>()?;
    if utcb.word(0) != Opcode::Unmap.word() || task.memory.is_closed() {
        return None;
    }
    let flexpage = Flexpage::from_raw(utcb.word(2));
    let mask = UnmapMask::from_raw(utcb.word(1));
    let access = if flexpage.is_capability() {
        capability::unmap_one(cpu, task, flexpage, mask);
        0
    } else {
        task.memory.unmap_page(cpu, flexpage, mask)?
    };
    utcb.set_word(2, flexpage.with_rights(access).raw());
    Some(MessageTag::words_only(0, 3))
}
