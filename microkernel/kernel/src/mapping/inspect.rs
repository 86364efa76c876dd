//! Looking at the mapping tree, for the kernel debugger.

use super::Mappings;
use super::memory_space::{MemorySpace, SpaceRef};
use super::tree::NodeRef;
use machine::page_table::{Content, Leaf, order_of};

impl MemorySpace {
    /// The page at an address, and the binary logarithm of its size.
    pub fn page_at(&self, address: u64) -> Option<(Leaf, u32)> {
        if address > self.last_address() {
            return None;
        }
        let slot = self.table.walk(address, 0);
        match slot.content() {
            Content::Leaf(leaf) => Some((leaf, order_of(slot.level()))),
            _ => None,
        }
    }

    /// All pages: where each starts, and the binary logarithm of its size.
    pub fn pages(&self) -> impl Iterator<Item = (u64, u32)> {
        self.pages_in(0, self.last_address())
    }
}

/// How a page is related to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// The other was mapped from it, in so many steps.
    Source(usize),
    /// It was mapped from the other, in so many steps.
    Descendant(usize),
}

/// A page that is related to another.
pub struct Relative {
    /// How.
    pub relation: Relation,
    /// Where it is.
    pub space: SpaceRef,
    /// Its address there.
    pub address: u64,
    /// Binary logarithm of its size.
    pub order: u32,
}

/// Shows `visit` the pages that the page at `address` was mapped from, nearest first, then those
/// that were mapped from it, in depth-first order. Whether the page is in the tree at all; `None`
/// if the tree is locked, by a CPU that stopped in the middle of a change.
pub fn relatives(
    mappings: &Mappings,
    space: SpaceRef,
    address: u64,
    mut visit: impl FnMut(Relative),
) -> Option<bool> {
    let _guard = mappings.tree.try_lock()?;
    let slot = space.table.walk(address, 0);
    let Content::Leaf(_) = slot.content() else {
        return Some(false);
    };
    let Some(node) = slot.linked() else {
        return Some(false);
    };
    let mut show = |node: NodeRef, relation| {
        if let Some((space, _)) = node.page_entry() {
            visit(Relative {
                relation,
                space,
                address: node.address(),
                order: order_of(node.level()),
            });
        }
    };
    let mut source = node.parent();
    let mut steps = 1;
    while let Some(from) = source {
        show(from, Relation::Source(steps));
        source = from.parent();
        steps += 1;
    }
    let mut depth = 0;
    let mut at = node;
    loop {
        // Down, else on, else up and on.
        let mut next = at.first_child().filter(|_| !at.is_cursor());
        if next.is_some() {
            depth += 1;
        }
        while next.is_none() {
            if depth == 0 {
                return Some(true);
            }
            let parent = at.parent()?;
            next = at.next().filter(|&next| Some(next) != parent.first_child());
            if next.is_none() {
                at = parent;
                depth -= 1;
            }
        }
        at = next?;
        show(at, Relation::Descendant(depth));
    }
}
