//! The mapping tree: which page was mapped from which.
//!
//! A [`Node`] stands for one page of one memory space. Its children are the pages that were
//! mapped from it, of the same size or smaller. All siblings are on one ring: those as large as
//! the parent first, then the smaller ones, grouped by the part of the parent that they show. A
//! page of 2 MiB or more that has smaller children has a table with the first node of each group,
//! so whatever was mapped from a part of a page is found at once.
//!
//! A walk through the tree that has to pause leaves a *cursor* in it: a node that holds its place
//! on a ring, however the tree changes meanwhile. "Go on after the cursor" is all there is to
//! resuming. Cursors can be anywhere on a ring and are passed over.
//!
//! All of this is guarded by the lock of [`Mappings`](super::Mappings).

use core::sync::atomic::{AtomicU64, Ordering};

use machine::handle::{Handle, Link};
use machine::page_table::{ENTRIES, Entry, Level, order_of};

use super::memory_space::{MemorySpace, SpaceRef};

/// A reference to a node, good while the tree is locked and the node is not removed.
pub(super) type NodeRef = Handle<Node>;

/// The first node of each group of smaller children.
pub(super) type Parts = [Link<Node>; ENTRIES];

/// A page in a space, or a cursor.
pub(super) struct Node {
    parent: Link<Node>,
    /// The ring of siblings.
    next: Link<Node>,
    previous: Link<Node>,
    /// Of a cursor: the node below which its walk takes place.
    first_child: Link<Node>,
    parts: Link<Parts>,
    /// Where the page is; nowhere for cursors.
    space: Link<MemorySpace>,
    entry: Link<Entry>,
    place: AtomicU64,
}

/// A page's address, its level, and which part of its parent it shows: 51, 2 and 9 bits. The
/// lowest bit is set in cursors, the highest where a page is on its way out.
#[derive(Clone, Copy)]
pub(super) struct Place(u64);

impl Place {
    const CURSOR: u64 = 1;
    /// Level and part.
    const GROUP: u64 = 0xffe;
    const LEAVING: u64 = 1 << 63;

    pub(super) fn new(address: u64, level: Level, part: usize) -> Place {
        debug_assert!(address & 0xfff == 0 && level < 4 && part < ENTRIES);
        Place(address | (part as u64) << 3 | u64::from(level) << 1)
    }

    fn address(self) -> u64 {
        self.0 & !(0xfff | Self::LEAVING)
    }

    fn level(self) -> Level {
        (self.0 >> 1) as Level & 3
    }

    fn part(self) -> usize {
        (self.0 >> 3) as usize & (ENTRIES - 1)
    }
}

impl Node {
    /// A page.
    pub(super) fn page(space: SpaceRef, entry: Handle<Entry>, place: Place) -> Node {
        Node {
            space: Link::new(space),
            entry: Link::new(entry),
            ..Node::nowhere(place)
        }
    }

    const fn nowhere(place: Place) -> Node {
        Node {
            parent: Link::empty(),
            next: Link::empty(),
            previous: Link::empty(),
            first_child: Link::empty(),
            parts: Link::empty(),
            space: Link::empty(),
            entry: Link::empty(),
            place: AtomicU64::new(place.0),
        }
    }

    /// A cursor that is nowhere.
    pub(super) const fn cursor() -> Node {
        Node::nowhere(Place(Place::CURSOR))
    }

    fn place(&self) -> Place {
        Place(self.place.load(Ordering::Relaxed))
    }

    /// Start of the page in its space.
    pub(super) fn address(&self) -> u64 {
        self.place().address()
    }

    /// Level of the page.
    pub(super) fn level(&self) -> Level {
        self.place().level()
    }

    pub(super) fn is_cursor(&self) -> bool {
        self.place().0 & Place::CURSOR != 0
    }

    /// Whether the page is being unmapped, with all that was mapped from it: nothing more is.
    #[inline(always)]
    pub(super) fn is_leaving(&self) -> bool {
        self.place().0 & Place::LEAVING != 0
    }

    pub(super) fn set_leaving(&self, leaving: bool) {
        let place = self.place().0 & !Place::LEAVING;
        let mark = u64::from(leaving) << 63;
        self.place.store(place | mark, Ordering::Relaxed);
    }

    /// The space that the page is in and its entry there; `None` for cursors.
    pub(super) fn page_entry(&self) -> Option<(SpaceRef, Handle<Entry>)> {
        Some((self.space.get()?, self.entry.get()?))
    }

    /// The page that this one was mapped from.
    pub(super) fn parent(&self) -> Option<NodeRef> {
        self.parent.get()
    }

    pub(super) fn first_child(&self) -> Option<NodeRef> {
        self.first_child.get()
    }

    /// The next on the ring of siblings.
    pub(super) fn next(&self) -> Option<NodeRef> {
        self.next.get()
    }

    pub(super) fn parts(&self) -> Option<Handle<Parts>> {
        self.parts.get()
    }

    pub(super) fn set_parts(&self, parts: Handle<Parts>) {
        self.parts.set(Some(parts));
    }

    /// The first node of a group of smaller children.
    pub(super) fn first_of_part(&self, part: usize) -> Option<NodeRef> {
        self.parts.get()?.get(part)?.get()
    }

    /// Whether two siblings show the same part of their parent in the same size.
    pub(super) fn is_grouped_with(&self, sibling: &Node) -> bool {
        (self.place().0 ^ sibling.place().0) & Place::GROUP == 0
    }

    /// The page is in another space from now on.
    pub(super) fn move_to(&self, space: SpaceRef, entry: Handle<Entry>, address: u64) {
        self.space.set(Some(space));
        self.entry.set(Some(entry));
        let part_and_level = self.place().0 & Place::GROUP;
        self.place
            .store(address | part_and_level, Ordering::Relaxed);
    }

    /// The place in its parent's table of parts that a node may be the first of.
    #[inline(always)]
    fn part_of(parent: NodeRef, node: &Node) -> Option<(Handle<Parts>, usize)> {
        let place = node.place();
        if place.level() == parent.level() {
            return None;
        }
        Some((parent.parts.get()?, place.part()))
    }
}

/// Which part of a page of `level` above is at an offset or address.
pub(super) fn part_at(address: u64, level: Level) -> usize {
    (address >> order_of(level)) as usize & (ENTRIES - 1)
}

/// Puts `node` on the ring, before `at`.
fn link_before(node: NodeRef, at: NodeRef) {
    let previous = at.previous.get();
    node.previous.set(previous);
    node.next.set(Some(at));
    if let Some(previous) = previous {
        previous.next.set(Some(node));
    }
    at.previous.set(Some(node));
}

/// Makes `child` a child of `parent`, which has a table of parts if the child is smaller.
#[inline(always)]
pub(super) fn insert(child: NodeRef, parent: NodeRef) {
    child.parent.set(Some(parent));
    let part = Node::part_of(parent, &child);
    let group = part.and_then(|(parts, part)| parts[part].get());
    match (parent.first_child.get(), group) {
        (None, _) => {
            child.next.set(Some(child));
            child.previous.set(Some(child));
            parent.first_child.set(Some(child));
        }
        (Some(first), Some(group)) => {
            link_before(child, group);
            if first == group {
                parent.first_child.set(Some(child));
            }
        }
        (Some(first), None) => {
            link_before(child, first);
            if part.is_none() {
                parent.first_child.set(Some(child));
            }
        }
    }
    if let Some((parts, part)) = part {
        parts[part].set(Some(child));
    }
}

/// Takes a node, which keeps its children, from its parent.
#[inline(always)]
pub(super) fn unlink(node: NodeRef) {
    let (Some(parent), Some(next), Some(previous)) =
        (node.parent.get(), node.next.get(), node.previous.get())
    else {
        return;
    };
    node.parent.set(None);
    if let Some((parts, part)) = Node::part_of(parent, &node)
        && parts[part].get() == Some(node)
    {
        let more = next != node && next.is_grouped_with(&node);
        parts[part].set(more.then_some(next));
    }
    if next == node {
        parent.first_child.set(None);
        return;
    }
    next.previous.set(Some(previous));
    previous.next.set(Some(next));
    if parent.first_child.get() == Some(node) {
        parent.first_child.set(Some(next));
    }
}

/// Leaves `cursor` right before `node`, which has a parent.
fn park_before(cursor: NodeRef, node: NodeRef) {
    let Some(parent) = node.parent.get() else {
        return;
    };
    join_group(cursor, node);
    link_before(cursor, node);
    if parent.first_child.get() == Some(node) {
        parent.first_child.set(Some(cursor));
    }
    if let Some((parts, part)) = Node::part_of(parent, &cursor)
        && parts[part].get() == Some(node)
    {
        parts[part].set(Some(cursor));
    }
}

/// Leaves `cursor` right after `node`, which has a parent.
fn park_after(cursor: NodeRef, node: NodeRef) {
    join_group(cursor, node);
    if let Some(next) = node.next.get() {
        link_before(cursor, next);
    }
}

fn join_group(cursor: NodeRef, node: NodeRef) {
    cursor.parent.set(node.parent.get());
    let group = node.place().0 & Place::GROUP;
    cursor.place.store(group | Place::CURSOR, Ordering::Relaxed);
}

/// Where a walk goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// With this node.
    At(NodeRef),
    /// With what comes after this node and all below it.
    After(NodeRef),
}

/// Leaves `cursor` where the walk below `top` goes on. The nodes are not `top`.
pub(super) fn park(cursor: NodeRef, step: Step, top: NodeRef) {
    cursor.first_child.set(Some(top));
    match step {
        Step::At(node) => park_before(cursor, node),
        Step::After(node) => park_after(cursor, node),
    }
}

/// Leaves `cursor` with `top`, below which a walk takes place: it will be told when that goes.
pub(super) fn park_below(cursor: NodeRef, top: NodeRef) {
    cursor.first_child.set(Some(top));
    let place = Place::new(0, top.level(), 0).0 | Place::CURSOR;
    cursor.place.store(place, Ordering::Relaxed);
    insert(cursor, top);
}

/// Takes a cursor, which is a child of a node that is about to be removed, out of its way.
pub(super) fn evade(cursor: NodeRef) {
    let Some(node) = cursor.parent.get() else {
        return;
    };
    unlink(cursor);
    // At the top of its walk there is nothing to go on with.
    if cursor.first_child.get() != Some(node) {
        park_before(cursor, node);
    }
}
