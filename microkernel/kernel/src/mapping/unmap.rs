//! Revoking what is mapped, or was mapped from, a flexpage of a space.
//!
//! Source: `abi/03` §5.

use l4_abi::flexpage::Flexpage;
use l4_abi::protocol::task::UnmapMask;
use l4_abi::rights::MemoryRights;
use machine::memory::FRAME_ORDER;
use machine::page_table::{Access, Next, order_of, size_of_page};

use super::memory_space::SpaceRef;
use super::sweep::{self, Action, Sweep};
use super::tree::{self, NodeRef};
use super::{Budget, Context, Cursor, Flush, STEPS};

/// Whose mappings an unmap is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scope {
    /// Those that were made from the space's.
    Descendants,
    /// The space's own as well.
    All,
}

impl Scope {
    /// What a user's mask says.
    pub fn of(mask: UnmapMask) -> Scope {
        match mask.includes_own() {
            true => Scope::All,
            false => Scope::Descendants,
        }
    }
}

/// An unmap operation and its progress. The space stays until it is done or given up.
pub struct Unmap {
    space: SpaceRef,
    /// The flexpage, and how far it is done.
    start: u64,
    order: u32,
    offset: u64,
    action: Action,
    scope: Scope,
    sweep: Option<(Sweep, u64)>,
    access: Access,
}

impl Unmap {
    /// Takes the rights in `flexpage`, of memory or all spaces, away from what it covers. With R
    /// the pages go whole; without rights this only asks what hardware noted.
    pub fn new(space: SpaceRef, flexpage: Flexpage, scope: Scope) -> Unmap {
        let rights = flexpage.memory_rights();
        let action = if rights.contains(MemoryRights::READ) {
            Action::Remove
        } else if rights.is_empty() {
            Action::Query
        } else {
            Action::Restrict(rights)
        };
        // What the first task has is made up: it has it until it ends, with all rights.
        let is_made_up = space.is_physical() && !space.is_closed();
        let scope = if is_made_up && action != Action::Query {
            Scope::Descendants
        } else {
            scope
        };
        let block = flexpage.block(space.table.format().address_bits());
        Unmap {
            space,
            start: block.start(),
            order: block.order(),
            offset: if block.order() < FRAME_ORDER {
                block.size()
            } else {
                0
            },
            action,
            scope,
            sweep: None,
            access: Access::NONE,
        }
    }

    /// Goes on. At the end says what hardware had noted in the pages.
    pub fn run<F: Flush>(&mut self, context: &mut Context<F>, cursor: &Cursor) -> Option<Access> {
        let mappings = context.mappings;
        let guard = mappings.tree.lock();
        let progress = self.advance(context, cursor, &mut Budget(STEPS));
        drop(guard);
        context.flush.commit();
        progress
    }

    fn advance<F: Flush>(
        &mut self,
        context: &mut Context<F>,
        cursor: &Cursor,
        budget: &mut Budget,
    ) -> Option<Access> {
        loop {
            if let Some((sweep, next)) = &mut self.sweep {
                // Then what is there now is looked at anew.
                let is_lost = sweep.is_lost(cursor.node());
                let access = sweep.run(context, cursor.node(), budget)?;
                self.access = self.access.union(access);
                if !is_lost {
                    self.offset = *next;
                }
                self.sweep = None;
            }
            if self.offset >> self.order != 0 {
                return Some(self.access);
            }
            if !budget.take(1) {
                return None;
            }
            self.next_page(context, budget);
        }
    }

    /// Moves on to the next page, and prepares its sweep, or removes it if that is all there is to
    /// do.
    #[inline(always)]
    fn next_page<F: Flush>(&mut self, context: &mut Context<F>, budget: &mut Budget) {
        let size = 1 << self.order;
        let wanted = self.start + self.offset;
        match self.space.table.next_leaf(wanted, self.start + (size - 1)) {
            Next::Leaf(address, _, slot) => {
                let next = (address + size_of_page(slot.level())).saturating_sub(self.start);
                match slot.linked() {
                    Some(node) if self.is_single(node) => {
                        self.access = self.access.union(sweep::remove(context, node));
                        self.offset = next;
                    }
                    Some(node) => {
                        let parts = self.parts(address, order_of(slot.level()));
                        let sweep = Sweep::new(node, self.action, self.scope, parts);
                        self.sweep = Some((sweep, next));
                    }
                    // Kernel-user memory stays.
                    None => self.offset = next,
                }
            }
            Next::Continue(address) => {
                budget.take(4);
                self.offset = address - self.start;
            }
            Next::End => self.offset = size,
        }
    }

    /// Whether the page goes, and nothing was mapped from it.
    fn is_single(&self, node: NodeRef) -> bool {
        self.action == Action::Remove && self.scope == Scope::All && node.first_child().is_none()
    }

    /// The parts of a page of 2^`order` bytes at `address` from which what was mapped is swept, first
    /// and last; `None`: all. The space's own pages are changed whole or not at all, and what was
    /// mapped from them goes with them.
    fn parts(&self, address: u64, order: u32) -> Option<(usize, usize)> {
        let with_page = self.scope == Scope::All && self.action != Action::Query;
        if self.order >= order || with_page {
            return None;
        }
        let first = tree::part_at(self.start.wrapping_sub(address), 0);
        Some((first, first + (1 << (self.order - FRAME_ORDER)) - 1))
    }
}
