//! Memory mappings: giving pages to other spaces, and taking them back.
//!
//! - [`memory_space`]: a page table with a node of the mapping tree beside each page
//! - `tree`: which page was mapped from which
//! - [`map`], [`unmap`]: the operations, over flexpages
//! - `page`: how one page comes below another; `fast`: the operations for one page, at once
//! - `sweep`: revoking all that was mapped from a page
//! - [`teardown`]: giving back what a space is made of
//! - [`kernel_user_memory`]: UTCB areas, which are mapped but not part of the tree
//!
//! Operations take any time, because a flexpage covers any number of pages and a page may have
//! been mapped on any number of times. So each is a value that holds its progress, with a `run`
//! that does a bounded part of the work and has no result while there is more to do.
//! Between two calls anything may happen to the spaces; an operation goes on by address, and
//! inside the tree by its [`Cursor`].
//!
//! What an operation costs depends on the pages that are there, not on the size of the flexpage
//! nor on how much else is mapped.
//!
//! Lock order: the tree, then the heap's locks. The tree has one lock. All state that it guards
//! belongs to one block of physical memory, so there can be one for each later.

#[cfg(any(test, feature = "fast-paths"))]
pub mod fast;
#[cfg(any(test, feature = "debugger"))]
pub mod inspect;
pub mod kernel_user_memory;
pub mod map;
pub mod memory_space;
mod page;
mod sweep;
pub mod teardown;
mod tree;
pub mod unmap;

use l4_abi::flexpage::Flexpage;
use machine::handle::Handle;
use machine::lock::Lock;

use crate::memory::KernelHeap;
use memory_space::MemorySpace;
use tree::{Node, NodeRef};

/// Forgets translations of revoked pages, wherever CPUs have them. Who finds a page gone, with the
/// tree locked, can rely on it that the flush has been told.
pub trait Flush {
    /// The page of 2^`order` bytes at `address` in `space` has changed or is gone. CPUs may use it
    /// until [`Flush::commit`], where hardware allows that what comes there next is used as well.
    fn page(&mut self, space: &MemorySpace, address: u64, order: u32);
    /// Afterwards no CPU uses a translation that it had before.
    fn commit(&mut self);
}

/// What all mappings of a kernel have in common.
pub struct Mappings {
    /// Guards all nodes, and changes of page tables.
    tree: Lock<()>,
}

impl Mappings {
    /// No mappings.
    pub const fn new() -> Mappings {
        Mappings {
            tree: Lock::new(()),
        }
    }

    /// What CPUs keep of a space besides translations has changed.
    pub fn forget(&self, space: &MemorySpace, flush: &mut impl Flush) {
        let guard = self.tree.lock();
        flush.page(space, 0, Flexpage::WHOLE_SPACE_ORDER);
        drop(guard);
        flush.commit();
    }

    /// Whether somebody is changing nodes or page tables.
    pub fn are_locked(&self) -> bool {
        self.tree.try_lock().is_none()
    }
}

/// What operations work with.
pub struct Context<'a, F> {
    /// Where memory for nodes and tables comes from.
    pub heap: &'a KernelHeap,
    /// All mappings.
    pub mappings: &'a Mappings,
    /// Where revoked pages are reported. Every `run` commits before it returns.
    pub flush: &'a mut F,
}

/// Steps of an operation between two points where it may pause. Tests pause all the time.
const STEPS: u32 = if cfg!(test) { 3 } else { 24 };

/// The steps left until the next pause.
struct Budget(u32);

impl Budget {
    /// Takes steps; false if none are left.
    fn take(&mut self, steps: u32) -> bool {
        let left = self.0 > 0;
        self.0 = self.0.saturating_sub(steps);
        left
    }
}

/// Where a paused operation is in the mapping tree. It lies in whoever runs operations, because
/// pausing must not need memory, and stays where it is while it is in the tree. An operation uses
/// the same one from beginning to end.
pub struct Cursor(Node);

impl Cursor {
    /// A cursor that is nowhere.
    pub const fn new() -> Cursor {
        Cursor(Node::cursor())
    }

    fn node(&self) -> NodeRef {
        Handle::to_part(&self.0)
    }

    /// Gives up the place in the tree: the operation will not go on.
    pub fn retract(&self, mappings: &Mappings) {
        let _guard = mappings.tree.lock();
        tree::unlink(self.node());
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        assert!(self.0.parent().is_none(), "a cursor was freed in the tree");
    }
}

#[cfg(test)]
mod tests;
