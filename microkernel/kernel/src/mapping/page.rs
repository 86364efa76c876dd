//! Single pages: how one comes below another in the mapping tree.

use machine::address::PhysicalAddress;
use machine::handle::{Handle, Link};
use machine::page_table::ENTRIES;

use super::memory_space::{SpaceRef, SpaceSlot};
use super::tree::{self, Node, NodeRef, Parts, Place};
use super::{Context, Flush};
use crate::memory::OutOfMemory;

/// The node for a page that shows `memory`, as a child of `source`, whose memory that is. The caller
/// fills the page's place, which is empty.
#[inline(always)]
pub(super) fn add<F: Flush>(
    context: &mut Context<F>,
    source: NodeRef,
    to: SpaceRef,
    slot: &SpaceSlot,
    address: u64,
    memory: PhysicalAddress,
) -> Result<NodeRef, OutOfMemory> {
    let level = slot.level();
    let storage = context.heap.allocate_charged(to.quota, size_of::<Node>())?;
    let mut part = 0;
    if level < source.level() {
        part = tree::part_at(memory.as_u64(), level);
        if let Err(OutOfMemory) = ensure_parts(context, source) {
            context.heap.free_charged(to.quota, storage);
            return Err(OutOfMemory);
        }
    }
    let place = Place::new(address, level, part);
    let node = Handle::new(storage, Node::page(to, slot.entry(), place));
    tree::insert(node, source);
    Ok(node)
}

/// Gives a node its table of parts, which the owner of the page pays for.
fn ensure_parts<F>(context: &Context<F>, node: NodeRef) -> Result<(), OutOfMemory> {
    if node.parts().is_none() {
        let (payer, _) = node.page_entry().ok_or(OutOfMemory)?;
        let storage = context
            .heap
            .allocate_charged(payer.quota, size_of::<Parts>())?;
        node.set_parts(Handle::new(storage, [const { Link::empty() }; ENTRIES]));
    }
    Ok(())
}
