//! Single pages of 4 KiB, of which most page faults need one: what [`Map`](super::map::Map) and
//! [`Unmap`](super::unmap::Unmap) would do is done at once, or nothing is.

use l4_abi::rights::MemoryRights;
use machine::page_table::{Access, Content, size_of_page};

use super::memory_space::SpaceRef;
use super::page::add;
use super::{Context, Flush, sweep};

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
    let page = source.linked().filter(|page| !page.is_leaving())?;
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
