//! Mapping a flexpage from one space into another.
//!
//! Source: `abi/03` §4.1 to 4.7.

use l4_abi::flexpage::{Flexpage, Transfer};
use l4_abi::item::{CacheMode, ItemControl};
use l4_abi::rights::MemoryRights;
use machine::address::PhysicalAddress;
use machine::memory::FRAME_ORDER;
use machine::page_table::{Attributes, Cache, Content, Leaf, Level, Next, order_of, size_of_page};

use super::memory_space::{self, SpaceRef, SpaceSlot};
use super::sweep::{Action, Sweep};
use super::tree::{Node, NodeRef, Parts};
use super::unmap::Scope;
use super::{Budget, Context, Cursor, Flush, STEPS, page};
use crate::memory::{KernelHeap, OutOfMemory};

/// A map operation and its progress. Both spaces stay until it is done or given up.
pub struct Map {
    from: SpaceRef,
    to: SpaceRef,
    /// Start of what is sent, and of where it goes.
    send: u64,
    receive: u64,
    size: u64,
    /// How much of it is done.
    offset: u64,
    rights: MemoryRights,
    /// Another cache mode than the source's.
    cache: Option<Cache>,
    is_grant: bool,
    /// Clears the way for the next page.
    sweep: Option<Sweep>,
    has_found: bool,
}

/// A page of the source space, as far as the flexpage covers it.
struct Source {
    node: NodeRef,
    leaf: Leaf,
    level: Level,
    /// Where to map from: inside the page.
    address: u64,
    memory: PhysicalAddress,
}

/// How a part of a map ends.
enum Turn {
    /// With a pause.
    More,
    /// What was in the way is gone.
    Swept,
    /// All is done.
    Done,
}

impl Map {
    /// Maps `flexpage` of `from` into `window` of `to`, both of memory or all spaces.
    pub fn new(
        from: SpaceRef,
        to: SpaceRef,
        control: ItemControl,
        flexpage: Flexpage,
        window: Flexpage,
    ) -> Map {
        let send = flexpage.block(from.table.format().address_bits());
        let receive = window.block(to.table.format().address_bits());
        let transfer = Transfer::aligned(send, receive, control.base_address());
        let is_too_small = transfer.send.order() < FRAME_ORDER;
        let is_beyond = transfer.receive.start() > to.last_address();
        Map {
            from,
            to,
            send: transfer.send.start(),
            receive: transfer.receive.start(),
            size: if is_too_small || is_beyond {
                0
            } else {
                transfer.send.size()
            },
            offset: 0,
            rights: flexpage.memory_rights(),
            cache: match control.cache_mode() {
                CacheMode::Keep => None,
                CacheMode::Uncached => Some(Cache::Uncached),
                CacheMode::Cached => Some(Cache::Cached),
                CacheMode::Bufferable => Some(Cache::Bufferable),
            },
            is_grant: control.is_grant(),
            sweep: None,
            // Flexpages that cannot be mapped at all count as mapped.
            has_found: is_too_small || is_beyond,
        }
    }

    /// Goes on. At the end says whether there was anything to map. When memory runs out, the
    /// pages mapped so far stay.
    pub fn run<F: Flush>(
        &mut self,
        context: &mut Context<F>,
        cursor: &Cursor,
    ) -> Option<Result<bool, OutOfMemory>> {
        let mut budget = Budget(STEPS);
        loop {
            let turn = self.advance(context, cursor, &mut budget);
            // Nothing may be put where something was before all CPUs have forgotten that.
            context.flush.commit();
            match turn {
                Ok(Turn::More) => return None,
                Ok(Turn::Swept) => {}
                Ok(Turn::Done) => return Some(Ok(self.has_found)),
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// Goes on with the tree locked, as far as the next commit.
    fn advance<F: Flush>(
        &mut self,
        context: &mut Context<F>,
        cursor: &Cursor,
        budget: &mut Budget,
    ) -> Result<Turn, OutOfMemory> {
        let mappings = context.mappings;
        let _guard = mappings.tree.lock();
        if let Some(sweep) = &mut self.sweep {
            if sweep.run(context, cursor.node(), budget).is_none() {
                return Ok(Turn::More);
            }
            self.sweep = None;
            return Ok(Turn::Swept);
        }
        while self.offset < self.size && !self.from.is_closed() && !self.to.is_closed() {
            if !budget.take(1) {
                return Ok(Turn::More);
            }
            let Some(source) = self.next_source(context, budget)? else {
                continue;
            };
            if let Some(mut sweep) = self.map_page(context, &source, budget)? {
                // Mostly this takes a few steps and is done here.
                if sweep.run(context, cursor.node(), budget).is_none() {
                    self.sweep = Some(sweep);
                    return Ok(Turn::More);
                }
                return Ok(Turn::Swept);
            }
        }
        Ok(Turn::Done)
    }

    /// The page to map next; `None` if there is none at this place. Moves on to it.
    #[inline(always)]
    fn next_source<F: Flush>(
        &mut self,
        context: &Context<F>,
        budget: &mut Budget,
    ) -> Result<Option<Source>, OutOfMemory> {
        let wanted = self.send + self.offset;
        let last = self.send + (self.size - 1);
        if self.from.is_physical()
            && !memory_space::make_root_page(self.from, context.heap, wanted)?
        {
            self.offset = self.size;
            return Ok(None);
        }
        let (start, leaf, slot) = match self.from.table.next_leaf(wanted, last) {
            Next::Leaf(start, leaf, slot) => (start, leaf, slot),
            Next::Continue(address) => {
                budget.take(4);
                self.offset = address - self.send;
                return Ok(None);
            }
            Next::End => {
                self.offset = self.size;
                return Ok(None);
            }
        };
        let address = start.max(wanted);
        self.offset = address - self.send;
        let rights = leaf.attributes.rights.intersection(self.rights);
        let node = slot.linked();
        self.has_found |= !rights.is_empty();
        match node {
            Some(node) if !rights.is_empty() && !node.is_leaving() => Ok(Some(Source {
                node,
                leaf,
                level: slot.level(),
                address,
                memory: leaf.memory.offset(address - start),
            })),
            _ => {
                // Kernel-user memory, or what may not be passed on, or not any more.
                self.offset = start + size_of_page(slot.level()) - self.send;
                Ok(None)
            }
        }
    }

    /// Maps a page of the largest size that fits, or says what is in the way.
    #[inline(always)]
    fn map_page<F: Flush>(
        &mut self,
        context: &mut Context<F>,
        source: &Source,
        budget: &mut Budget,
    ) -> Result<Option<Sweep>, OutOfMemory> {
        let to = self.to;
        let address = self.receive + self.offset;
        let mut level = self.largest_level(source, address);
        let slot = loop {
            let slot = to.table.walk(address, level);
            match slot.content() {
                Content::Empty => break slot,
                Content::Table(_) => level -= 1,
                Content::Leaf(leaf) => {
                    let Some(node) = slot.linked() else {
                        // Kernel-user memory stays.
                        self.offset += size_of_page(slot.level());
                        return Ok(None);
                    };
                    let is_same = slot.level() == level && leaf.memory == source.memory;
                    if is_same && node == source.node {
                        // Onto itself.
                    } else if is_same && node.parent() == Some(source.node) && !self.is_grant {
                        // Its unmap may have been given up.
                        node.set_leaving(false);
                        self.upgrade(context, source, &slot, leaf);
                    } else {
                        return Ok(Some(Sweep::new(node, Action::Remove, Scope::All, None)));
                    }
                    self.offset += size_of_page(level);
                    return Ok(None);
                }
            }
        };
        // Each table that is made is cleared.
        budget.take(4 * (slot.level() - level));
        let slot = to.deepen(context.heap, slot, address, level)?;
        if self.is_grant && self.may_move(source, level) {
            self.move_page(context, source, slot, address)?;
        } else {
            let leaf = Leaf {
                memory: source.memory,
                attributes: self.attributes(source),
                access: source.leaf.access,
            };
            let node = page::add(context, source.node, to, &slot, address, leaf.memory)?;
            slot.set_leaf(leaf, Some(node));
        }
        self.offset += size_of_page(level);
        Ok(None)
    }

    /// The largest page that fits in the source, the destination and the rest of the flexpage.
    #[inline(always)]
    fn largest_level(&self, source: &Source, address: u64) -> Level {
        let mut level = source.level;
        let left = self.size - self.offset;
        while level > 0 {
            let size = size_of_page(level);
            if (source.address | address) & (size - 1) == 0 && size <= left {
                break;
            }
            level -= 1;
        }
        level
    }

    fn attributes(&self, source: &Source) -> Attributes {
        Attributes {
            rights: source.leaf.attributes.rights.intersection(self.rights),
            cache: self.cache.unwrap_or(source.leaf.attributes.cache),
        }
    }

    /// The page is there already: adds rights. A page's type of memory may not change while it
    /// can be in use (Arm D8.13.1), so the page is away for a moment; who uses it then, faults.
    fn upgrade<F: Flush>(
        &self,
        context: &mut Context<F>,
        source: &Source,
        slot: &SpaceSlot,
        leaf: Leaf,
    ) {
        let mut attributes = leaf.attributes;
        attributes.rights |= self.attributes(source).rights;
        attributes.cache = self.cache.unwrap_or(attributes.cache);
        if attributes != leaf.attributes
            && let Some(node) = slot.linked()
            && let Some((space, entry)) = node.page_entry()
        {
            let format = space.table.format();
            let (address, order) = (node.address(), order_of(node.level()));
            if attributes.cache != leaf.attributes.cache {
                let access = entry.clear(format);
                context.flush.page(&space, address, order);
                let leaf = Leaf {
                    attributes,
                    access,
                    ..leaf
                };
                slot.set_leaf(leaf, Some(node));
            } else {
                entry.set_attributes(format, attributes);
                context.flush.page(&space, address, order);
            }
        }
    }

    /// Whether a grant moves the page. A part of a page cannot move, and what is made up cannot.
    fn may_move(&self, source: &Source, level: Level) -> bool {
        level == source.level && !self.from.is_physical()
    }

    /// Moves the source page with its place in the tree.
    fn move_page<F: Flush>(
        &self,
        context: &mut Context<F>,
        source: &Source,
        slot: SpaceSlot,
        address: u64,
    ) -> Result<(), OutOfMemory> {
        let node = source.node;
        let mut charge = KernelHeap::charge_for(size_of::<Node>());
        if node.parts().is_some() {
            charge += KernelHeap::charge_for(size_of::<Parts>());
        }
        context
            .heap
            .transfer_charge(charge, self.from.quota, self.to.quota)?;
        let mut access = source.leaf.access;
        if let Some((space, entry)) = node.page_entry() {
            access = entry.clear(space.table.format());
            context
                .flush
                .page(&space, node.address(), order_of(node.level()));
        }
        node.move_to(self.to, slot.entry(), address);
        let leaf = Leaf {
            memory: source.memory,
            attributes: self.attributes(source),
            access,
        };
        slot.set_leaf(leaf, Some(node));
        Ok(())
    }
}
