//! Single pages: how one comes below another in the mapping tree, and the short way for those of
//! 4 KiB, of which most page faults need one.
//!
//! The short way does at once what [`Map`](super::map::Map) and [`Unmap`](super::unmap::Unmap)
//! would do, or it does nothing and says so.

use l4_abi::rights::MemoryRights;
use machine::address::PhysicalAddress;
use machine::handle::{Handle, Link};
use machine::page_table::{Access, Content, ENTRIES, size_of_page};

use super::memory_space::{SpaceRef, SpaceSlot};
use super::tree::{self, Node, NodeRef, Parts, Place};
use super::{Context, Flush, sweep};
use crate::memory::OutOfMemory;

/// Maps 4 KiB at `send` of `from` to `receive` of `to`, with as many of `rights` as there are, if
/// reading is among them, and if a table is there and nothing in it. Nothing is done if not.
#[inline(always)]
pub fn map<F: Flush>(
    context: &mut Context<F>,
    from: SpaceRef,
    to: SpaceRef,
    [send, receive]: [u64; 2],
    rights: MemoryRights,
) -> Option<()> {
    let mappings = context.mappings;
    let _guard = mappings.tree.lock();
    let can_map = !from.is_physical() && !from.is_closed() && !to.is_closed();
    if !can_map || send > from.last_address() || receive > to.last_address() {
        return None;
    }
    let source = from.table.walk_to_page(send);
    let Content::Leaf(leaf) = source.content() else {
        return None;
    };
    let page = source.linked()?;
    let slot = to.table.walk_to_page(receive);
    let is_readable = leaf
        .attributes
        .rights
        .intersection(rights)
        .contains(MemoryRights::READ);
    if !is_readable || slot.level() != 0 || slot.content() != Content::Empty {
        return None;
    }
    let memory = leaf
        .memory
        .offset(send & (size_of_page(source.level()) - 1));
    let node = add(context, page, to, &slot, receive, memory).ok()?;
    slot.set_part(&source, memory, rights, Some(node));
    Some(())
}

/// Unmaps the page of 4 KiB at `address`, if nothing was mapped from it; what hardware had noted.
/// Nothing is done if there is no such page.
#[inline(always)]
pub fn unmap<F: Flush>(context: &mut Context<F>, space: SpaceRef, address: u64) -> Option<Access> {
    let mappings = context.mappings;
    let guard = mappings.tree.lock();
    if space.is_physical() || address > space.last_address() {
        return None;
    }
    let slot = space.table.walk_to_page(address);
    if slot.level() != 0 || slot.content() == Content::Empty {
        return None;
    }
    let page = slot.linked().filter(|page| page.first_child().is_none())?;
    let access = sweep::remove(context, page);
    drop(guard);
    context.flush.commit();
    Some(access)
}

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
