//! A sweep: doing one thing to all pages that were mapped from a page, or from a part of it.
//!
//! It walks the tree below a node without recursion and can pause at any step. Revoking goes
//! bottom up, as a node goes only after its children. Taking rights away goes top down, so that
//! nobody maps on with rights that are going.

use l4_abi::rights::MemoryRights;
use machine::handle::Handle;
use machine::page_table::{Access, Content, order_of};

use super::tree::{self, Node, NodeRef, Parts, Step};
use super::unmap::Scope;
use super::{Budget, Context, Flush};

/// What is done to the pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Action {
    /// They are unmapped.
    Remove,
    /// They lose these rights.
    Restrict(MemoryRights),
    /// What hardware noted about them is collected.
    Query,
}

/// A sweep and its progress.
pub(super) struct Sweep {
    top: NodeRef,
    action: Action,
    /// Whether `top` is swept as well.
    scope: Scope,
    stage: Stage,
    /// The parts that a partial sweep reaches, first and last.
    parts: Option<(usize, usize)>,
    /// What the cursor keeps while the sweep pauses.
    parked: Parked,
    access: Access,
}

/// What the cursor of a paused sweep keeps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Parked {
    /// Nothing: the sweep does not pause.
    Not,
    /// Only the node at the top: a stage begins.
    AtStage,
    /// The place in the tree where the sweep goes on.
    AtStep,
}

/// Which children of the top are swept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// The page itself, if it is swept first.
    Top,
    /// All of them.
    All,
    /// Those as large as `top`.
    TopSized,
    /// Those that show a part.
    Part(usize),
    /// The page itself, if it is swept last.
    End,
}

enum Next {
    Step(Step),
    Begin,
}

impl Sweep {
    /// A sweep of what was mapped from `top`, or from these parts of it, first and last.
    pub(super) fn new(
        top: NodeRef,
        action: Action,
        scope: Scope,
        parts: Option<(usize, usize)>,
    ) -> Sweep {
        Sweep {
            top,
            action,
            scope,
            stage: Stage::Top,
            parts,
            parked: Parked::Not,
            access: Access::NONE,
        }
    }

    /// Whether somebody else was about to remove the top while this paused. It may be gone, or may
    /// have stayed and been mapped from since.
    pub(super) fn is_lost(&self, cursor: NodeRef) -> bool {
        self.parked != Parked::Not && cursor.parent().is_none()
    }

    /// Goes on until the sweep is done, lost, or the budget is used up. Done, it says what hardware
    /// had noted in the pages.
    pub(super) fn run<F: Flush>(
        &mut self,
        context: &mut Context<F>,
        cursor: NodeRef,
        budget: &mut Budget,
    ) -> Option<Access> {
        let mut next = Next::Begin;
        match core::mem::replace(&mut self.parked, Parked::Not) {
            Parked::Not => {}
            _ if cursor.parent().is_none() => return Some(self.access),
            Parked::AtStage => tree::unlink(cursor),
            Parked::AtStep => {
                next = self.after(cursor);
                tree::unlink(cursor);
            }
        }
        loop {
            if !budget.take(1) {
                self.parked = match next {
                    Next::Begin => {
                        tree::park_below(cursor, self.top);
                        Parked::AtStage
                    }
                    Next::Step(step) => {
                        tree::park(cursor, step, self.top);
                        Parked::AtStep
                    }
                };
                return None;
            }
            next = match next {
                Next::Step(Step::At(node)) => self.visit(context, node),
                Next::Step(Step::After(node)) => self.after(node),
                Next::Begin => match self.begin(context) {
                    Some(next) => next,
                    None => return Some(self.access),
                },
            };
        }
    }

    /// Begins a stage.
    fn begin<F: Flush>(&mut self, context: &mut Context<F>) -> Option<Next> {
        let first = match self.stage {
            Stage::Top => {
                if self.scope == Scope::All && self.action != Action::Remove {
                    self.touch(context, self.top);
                }
                self.stage = match (self.parts, self.top.first_child()) {
                    (_, None) => Stage::End,
                    (None, _) => Stage::All,
                    (Some(_), _) => Stage::TopSized,
                };
                return Some(Next::Begin);
            }
            Stage::All => self.top.first_child(),
            Stage::TopSized => first_as_large(self.top),
            Stage::Part(part) => self.top.first_of_part(part),
            Stage::End => return self.end(context),
        };
        match first {
            Some(node) => Some(Next::Step(Step::At(node))),
            None => Some(self.next_stage()),
        }
    }

    fn next_stage(&mut self) -> Next {
        let (first, last) = self.parts.unwrap_or((0, 0));
        self.stage = match self.stage {
            Stage::TopSized if self.top.parts().is_some() => Stage::Part(first),
            Stage::Part(part) if part < last => Stage::Part(part + 1),
            _ => Stage::End,
        };
        Next::Begin
    }

    fn visit<F: Flush>(&mut self, context: &mut Context<F>, node: NodeRef) -> Next {
        if node.is_cursor() {
            return self.after(node);
        }
        let child = node.first_child();
        match (self.action, child) {
            (Action::Remove, Some(child)) if child.is_cursor() => {
                tree::evade(child);
                Next::Step(Step::At(node))
            }
            (Action::Remove, None) => {
                let next = self.after(node);
                self.access = self.access.union(remove(context, node));
                next
            }
            (Action::Remove, Some(child)) => {
                // Who has it could go on mapping while this pauses, for ever.
                node.set_leaving(true);
                Next::Step(Step::At(child))
            }
            (_, child) => {
                self.touch(context, node);
                match child {
                    Some(child) => Next::Step(Step::At(child)),
                    None => self.after(node),
                }
            }
        }
    }

    /// What comes after a node, or a cursor, and all below it.
    fn after(&mut self, node: NodeRef) -> Next {
        let (Some(parent), Some(sibling)) = (node.parent(), node.next()) else {
            return self.next_stage();
        };
        let is_last = parent.first_child() == Some(sibling);
        if parent == self.top {
            if !is_last && (self.stage == Stage::All || sibling.is_grouped_with(&node)) {
                Next::Step(Step::At(sibling))
            } else {
                self.next_stage()
            }
        } else if !is_last {
            Next::Step(Step::At(sibling))
        } else if self.action == Action::Remove {
            Next::Step(Step::At(parent))
        } else {
            Next::Step(Step::After(parent))
        }
    }

    /// Changes a page that stays, and collects what hardware noted about it. The notes of the page
    /// at the top stay, too.
    fn touch<F: Flush>(&mut self, context: &mut Context<F>, node: NodeRef) {
        let Some((space, entry)) = node.page_entry() else {
            return;
        };
        let format = space.table.format();
        let Content::Leaf(leaf) = entry.content(format, node.level()) else {
            return;
        };
        let is_top = node == self.top;
        let access = match is_top {
            true => leaf.access,
            false => entry.take_access(format),
        };
        self.access = self.access.union(access);
        let mut attributes = leaf.attributes;
        if let Action::Restrict(taken) = self.action {
            attributes.rights = attributes.rights.difference(taken);
        }
        let is_changed = attributes != leaf.attributes;
        if is_changed {
            entry.set_attributes(format, attributes);
        }
        if is_changed || !is_top && access != Access::NONE {
            let order = order_of(node.level());
            context.flush.page(&space, node.address(), order);
        }
    }

    fn end<F: Flush>(&mut self, context: &mut Context<F>) -> Option<Next> {
        if self.scope == Scope::Descendants || self.action != Action::Remove {
            if self.access != Access::NONE
                && let Some((space, entry)) = self.top.page_entry()
            {
                entry.add_access(space.table.format(), self.access);
            }
            return None;
        }
        match self.top.first_child() {
            Some(child) if child.is_cursor() => {
                tree::evade(child);
                Some(Next::Begin)
            }
            Some(_) => {
                // Mapped while the sweep paused.
                self.top.set_leaving(true);
                self.stage = Stage::All;
                Some(Next::Begin)
            }
            None => {
                self.access = self.access.union(remove(context, self.top));
                None
            }
        }
    }
}

/// The first child, if there is one as large as the node itself: those come first.
fn first_as_large(node: NodeRef) -> Option<NodeRef> {
    node.first_child()
        .filter(|child| child.level() == node.level())
}

/// Unmaps a page that has no children; what hardware had noted.
#[inline(always)]
pub(super) fn remove<F: Flush>(context: &mut Context<F>, node: NodeRef) -> Access {
    let Some((space, entry)) = node.page_entry() else {
        return Access::NONE;
    };
    let access = entry.clear(space.table.format());
    context
        .flush
        .page(&space, node.address(), order_of(node.level()));
    tree::unlink(node);
    if let Some(parts) = node.parts() {
        let storage = Handle::into_storage(parts, size_of::<Parts>());
        context.heap.free_charged(space.quota, storage);
    }
    let storage = Handle::into_storage(node, size_of::<Node>());
    context.heap.free_charged(space.quota, storage);
    access
}
