//! The mapping engine against a naive model, and by hand.

mod by_hand;
mod model;
mod random;

use std::collections::BTreeMap;

use l4_abi::error::ResultCode;
use l4_abi::flexpage::{Flexpage, Transfer};
use l4_abi::item::{ItemControl, ItemFlags};
use l4_abi::rights::MemoryRights;
use machine::address::PhysicalAddress;
use machine::entry_format::{Format, aarch64, x86_64};
use machine::page_table::{Access, Content, Leaf, Level, Next};

use super::map::Map;
use super::memory_space::{MemorySpace, SpaceRef};
use super::teardown::release_part;
use super::tree::NodeRef;
use super::unmap::{Scope, Unmap};
use super::*;
use crate::memory::OutOfMemory;
use crate::memory::quota::QuotaRef;
use crate::memory::tests::heap;

/// Physical memory in the tests: 8 GiB and a bit.
pub(crate) const PHYSICAL_BITS: u32 = 34;

pub(crate) const FORMATS: usize = 3;

pub(crate) fn formats() -> [Format; FORMATS] {
    [
        Format::X86_64(x86_64::Format::new(PHYSICAL_BITS)),
        Format::Aarch64(aarch64::Format::new(40)),
        Format::Aarch64(aarch64::Format::new(44)),
    ]
}

/// A flush that was asked for: root and page, and what was there at that moment.
#[derive(Clone, Copy)]
pub(crate) struct Flushed {
    pub(crate) root: PhysicalAddress,
    pub(crate) address: u64,
    pub(crate) order: u32,
    pub(crate) seen: Option<(Leaf, u32)>,
}

/// Records flushes.
#[derive(Default)]
pub(crate) struct Recorder {
    pending: Vec<Flushed>,
    committed: Vec<Flushed>,
}

impl Flush for Recorder {
    fn page(&mut self, space: &MemorySpace, address: u64, order: u32) {
        assert!(address.is_multiple_of(1 << order));
        let (root, seen) = (space.root(), space.page_at(address));
        self.pending.push(Flushed {
            root,
            address,
            order,
            seen,
        });
    }

    fn commit(&mut self) {
        self.committed.append(&mut self.pending);
    }
}

/// A kernel's memory with some spaces. The first has all physical memory.
pub(crate) struct World {
    pub(crate) heap: KernelHeap,
    mappings: Mappings,
    flush: Recorder,
    root: QuotaRef,
    quotas: Vec<QuotaRef>,
    pub(crate) spaces: Vec<SpaceRef>,
    cursor: Box<Cursor>,
    used_at_first: usize,
    /// How often the short way of one page could be tried, and how often it was taken.
    turns: usize,
    pub(crate) short_ways: usize,
}

/// A page as found in a page table: its level, the leaf, its node.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Found {
    pub(crate) level: Level,
    pub(crate) leaf: Leaf,
    pub(crate) node: Option<NodeRef>,
}

impl World {
    /// `spaces` spaces besides the first; each with its own quota of `limit` bytes.
    pub(crate) fn new(format: Format, spaces: usize, limit: u64) -> World {
        let heap = heap(8192);
        let root = heap.new_root_quota().unwrap();
        let used_at_first = heap.used();
        let mut world = World {
            heap,
            mappings: Mappings::new(),
            flush: Recorder::default(),
            root,
            quotas: Vec::new(),
            spaces: Vec::new(),
            cursor: Box::new(Cursor::new()),
            used_at_first,
            turns: 0,
            short_ways: 0,
        };
        for index in 0..=spaces {
            let is_first = index == 0;
            let limit = if is_first { 1 << 40 } else { limit };
            let quota = world.heap.new_quota(root, limit).unwrap();
            let space = MemorySpace::new(&world.heap, quota, format, is_first, |_| ()).unwrap();
            world.quotas.push(quota);
            world.spaces.push(space);
        }
        world
    }

    pub(crate) fn context(&mut self) -> (Context<'_, Recorder>, &Cursor) {
        let context = Context {
            heap: &self.heap,
            mappings: &self.mappings,
            flush: &mut self.flush,
        };
        (context, &self.cursor)
    }

    /// Every other time.
    fn takes_short_way(&mut self) -> bool {
        self.turns += 1;
        self.turns.is_multiple_of(2)
    }

    pub(crate) fn map_words(
        &mut self,
        (from, to): (usize, usize),
        control: u64,
        send: Flexpage,
        window: Flexpage,
    ) -> Result<bool, OutOfMemory> {
        let (from, to) = (self.spaces[from], self.spaces[to]);
        let control = ItemControl::from_raw(control);
        if control.is_plain()
            && let Some(address) = send.page()
            && self.takes_short_way()
        {
            let bits = to.table.format().address_bits();
            let base = control.base_address();
            let place = Transfer::aligned(send.block(bits), window.block(bits), base).receive;
            let addresses = [address, place.start()];
            let (mut context, _) = self.context();
            if fast::map(&mut context, from, to, addresses, send.memory_rights()).is_some() {
                self.short_ways += 1;
                return Ok(true);
            }
        }
        let mut map = Map::new(from, to, control, send, window);
        let (mut context, cursor) = self.context();
        loop {
            if let Some(result) = map.run(&mut context, cursor) {
                return result;
            }
        }
    }

    /// Maps 2^`order` bytes.
    pub(crate) fn map(
        &mut self,
        (from, at): (usize, u64),
        (to, target): (usize, u64),
        order: u32,
        rights: MemoryRights,
    ) -> bool {
        let window = Flexpage::memory(target, order, MemoryRights::empty());
        let send = Flexpage::memory(at, order, rights);
        self.map_words((from, to), ItemFlags::MAP.bits(), send, window)
            .unwrap()
    }

    pub(crate) fn unmap_words(&mut self, space: usize, flexpage: Flexpage, scope: Scope) -> Access {
        let is_whole = scope == Scope::All && flexpage.memory_rights().contains(MemoryRights::READ);
        if is_whole
            && let Some(address) = flexpage.page()
            && self.takes_short_way()
        {
            let space = self.spaces[space];
            let (mut context, _) = self.context();
            if let Some(access) = fast::unmap(&mut context, space, address) {
                self.short_ways += 1;
                return access;
            }
        }
        let mut unmap = Unmap::new(self.spaces[space], flexpage, scope);
        let (mut context, cursor) = self.context();
        loop {
            if let Some(access) = unmap.run(&mut context, cursor) {
                return access;
            }
        }
    }

    pub(crate) fn unmap(
        &mut self,
        (space, address): (usize, u64),
        order: u32,
        rights: MemoryRights,
        scope: Scope,
    ) -> Access {
        self.unmap_words(space, Flexpage::memory(address, order, rights), scope)
    }

    pub(crate) fn touch(&self, space: usize, address: u64, access: Access) {
        let space = self.spaces[space];
        let slot = space.table.walk(address, 0);
        if let Content::Leaf(_) = slot.content() {
            slot.entry().add_access(space.table.format(), access);
        }
    }

    pub(crate) fn pages(&self, space: usize) -> BTreeMap<u64, Found> {
        let mut pages = BTreeMap::new();
        let mut address = 0;
        loop {
            match self.spaces[space].table.next_leaf(address, u64::MAX) {
                Next::End => return pages,
                Next::Continue(next) => {
                    assert!(next > address);
                    address = next;
                }
                Next::Leaf(start, leaf, slot) => {
                    let level = slot.level();
                    pages.insert(
                        start,
                        Found {
                            level,
                            leaf,
                            node: slot.linked(),
                        },
                    );
                    address = start + size_of_page(level);
                }
            }
        }
    }

    /// Rights of the page at an address, if there is one.
    pub(crate) fn rights(&self, space: usize, address: u64) -> Option<MemoryRights> {
        Some(self.spaces[space].page_at(address)?.0.attributes.rights)
    }

    /// Checks what must hold of the tree at any time.
    pub(crate) fn check(&self) {
        let mut nodes = 0;
        for index in 0..self.spaces.len() {
            for (address, found) in self.pages(index) {
                let Some(node) = found.node else { continue };
                let (space, entry) = node.page_entry().unwrap();
                assert_eq!(space, self.spaces[index]);
                assert_eq!((node.address(), node.level()), (address, found.level));
                assert_eq!(entry, space.table.walk(address, found.level).entry());
                assert!(!node.is_cursor());
                nodes += 1 + self.check_children(node);
                match node.parent() {
                    None => assert_eq!(index, 0),
                    Some(source) => {
                        let leaf = leaf_of(source);
                        let offset = found.leaf.memory.as_u64() - leaf.memory.as_u64();
                        assert!(offset < size_of_page(source.level()));
                    }
                }
            }
        }
        // Each page is somebody's child or a root; children were counted at their parents.
        let roots = self
            .pages(0)
            .values()
            .filter(|found| found.node.is_some())
            .count();
        let pages: usize = (0..self.spaces.len())
            .map(|index| {
                self.pages(index)
                    .values()
                    .filter(|f| f.node.is_some())
                    .count()
            })
            .sum();
        assert_eq!(nodes - pages, pages - roots);
    }

    /// Checks the ring and the table of parts of a node; the number of pages directly below.
    fn check_children(&self, node: NodeRef) -> usize {
        let mut ring = Vec::new();
        if let Some(first) = node.first_child() {
            let mut child = first;
            loop {
                assert_eq!(child.parent(), Some(node));
                ring.push(child);
                child = child.next().unwrap();
                if child == first {
                    break;
                }
            }
        }
        let small = ring.iter().position(|child| child.level() < node.level());
        let small = &ring[small.unwrap_or(ring.len())..];
        assert!(small.iter().all(|child| child.level() == node.level() - 1));
        let is_group = |group: &[NodeRef]| group.windows(2).all(|w| w[0].is_grouped_with(&w[1]));
        let mut grouped = 0;
        for part in 0..512 {
            let Some(first) = node.first_of_part(part) else {
                continue;
            };
            let start = small.iter().position(|child| *child == first).unwrap();
            let length = small[start..]
                .iter()
                .take_while(|child| child.is_grouped_with(&first))
                .count();
            assert!(is_group(&small[start..start + length]));
            grouped += length;
        }
        assert_eq!(grouped, small.len());
        ring.iter()
            .filter(|child| !child.is_cursor())
            .inspect(|child| assert!(child.page_entry().is_some()))
            .count()
    }

    /// Destroys a space and its factory.
    pub(crate) fn destroy(&mut self, index: usize) {
        let (space, quota) = (self.spaces.remove(index), self.quotas.remove(index));
        space.close();
        let (mut context, cursor) = self.context();
        let all = Flexpage::ALL_SPACES.with_rights(MemoryRights::RWX.bits());
        let mut unmap = Unmap::new(space, all, Scope::All);
        while unmap.run(&mut context, cursor).is_none() {}
        while release_part(space, &self.heap) {}
        assert_eq!(quota.used(), 0);
        self.heap.close_quota(quota);
    }

    /// Destroys all spaces and checks that all memory came back.
    pub(crate) fn end(mut self, first_to_go: usize) {
        while !self.spaces.is_empty() {
            self.destroy(first_to_go % self.spaces.len());
            self.check_some();
        }
        assert_eq!(
            (self.root.used(), self.heap.used()),
            (0, self.used_at_first)
        );
    }

    fn check_some(&self) {
        for index in 0..self.spaces.len() {
            for found in self.pages(index).values() {
                if let Some(node) = found.node {
                    self.check_children(node);
                }
            }
        }
    }

    /// What was flushed since the last call; nothing waits for a commit.
    pub(crate) fn take_flushed(&mut self) -> Vec<Flushed> {
        assert!(self.flush.pending.is_empty());
        core::mem::take(&mut self.flush.committed)
    }
}

/// Adds kernel-user memory.
fn add(world: &World, space: SpaceRef, area: Flexpage) -> Result<(), ResultCode> {
    let add = || kernel_user_memory::add(space, &world.heap, &world.mappings, area);
    while add()?.is_none() {}
    Ok(())
}

fn leaf_of(node: NodeRef) -> Leaf {
    let (space, entry) = node.page_entry().unwrap();
    match entry.content(space.table.format(), node.level()) {
        Content::Leaf(leaf) => leaf,
        other => panic!("a node without a page: {other:?}"),
    }
}

use machine::page_table::size_of_page;
