//! What mapping means, said in the plainest way: maps of pages, searched from end to end.

use std::collections::{BTreeMap, BTreeSet};

use l4_abi::flexpage::{Flexpage, Transfer};
use l4_abi::item::{CacheMode, ItemControl};
use l4_abi::rights::MemoryRights;
use machine::entry_format::Format;
use machine::page_table::{Access, Cache, HIGHEST_LEAF, Level, size_of_page};

use crate::mapping::unmap::Scope;

pub(super) type Id = usize;

#[derive(Clone, Debug)]
pub(super) struct Page {
    pub(super) space: usize,
    pub(super) address: u64,
    pub(super) level: Level,
    pub(super) memory: u64,
    pub(super) rights: MemoryRights,
    pub(super) cache: Cache,
    pub(super) access: Access,
    pub(super) parent: Option<Id>,
    /// Kernel-user memory.
    pub(super) is_fixed: bool,
}

impl Page {
    fn end(&self) -> u64 {
        self.address + size_of_page(self.level)
    }

    fn shows(&self, memory: u64, size: u64) -> bool {
        self.memory < memory + size && memory < self.memory + size_of_page(self.level)
    }
}

pub(super) struct Model {
    format: Format,
    physical_bits: u32,
    pub(super) pages: BTreeMap<Id, Page>,
    /// Where they are: space and address.
    places: BTreeMap<(usize, u64), Id>,
    /// Where there is a table: space, level of its entries, start. They stay.
    tables: BTreeSet<(usize, Level, u64)>,
    next: Id,
}

impl Model {
    pub(super) fn new(format: Format) -> Model {
        let physical_bits = format.physical_bits().min(format.address_bits());
        Model {
            format,
            physical_bits,
            pages: BTreeMap::new(),
            places: BTreeMap::new(),
            tables: BTreeSet::new(),
            next: 0,
        }
    }

    fn end_of_space(&self) -> u64 {
        1 << self.format.address_bits()
    }

    /// The first page that ends behind `from` and starts before `end`.
    fn first(&self, space: usize, from: u64, end: u64) -> Option<Id> {
        let before = self.places.range((space, 0)..=(space, from)).next_back();
        let after = self.places.range((space, from)..(space, end)).next();
        before
            .filter(|(_, id)| self.pages[id].end() > from)
            .or(after)
            .map(|(_, id)| *id)
    }

    fn has_table(&self, space: usize, address: u64, level: Level) -> bool {
        level > 0 && {
            let start = address & !(size_of_page(level) - 1);
            self.tables.contains(&(space, level - 1, start))
        }
    }

    fn add(&mut self, page: Page) {
        for level in page.level..3.min(self.format.root_level()) {
            let start = page.address & !(size_of_page(level + 1) - 1);
            self.tables.insert((page.space, level, start));
        }
        self.places.insert((page.space, page.address), self.next);
        self.pages.insert(self.next, page);
        self.next += 1;
    }

    fn make_root(&mut self, address: u64) {
        if address >> self.physical_bits != 0 || self.first(0, address, address + 1).is_some() {
            return;
        }
        let mut level = HIGHEST_LEAF;
        while self.has_table(0, address, level) {
            level -= 1;
        }
        let start = address & !(size_of_page(level) - 1);
        self.add(Page {
            space: 0,
            address: start,
            level,
            memory: start,
            rights: MemoryRights::RWX,
            cache: Cache::Cached,
            access: Access::NONE,
            parent: None,
            is_fixed: false,
        });
    }

    pub(super) fn add_fixed(&mut self, space: usize, address: u64, memory: u64) {
        self.add(Page {
            space,
            address,
            level: 0,
            memory,
            rights: MemoryRights::RW,
            cache: Cache::Cached,
            access: Access::NONE,
            parent: None,
            is_fixed: true,
        });
    }

    pub(super) fn map(
        &mut self,
        (from, to): (usize, usize),
        control: ItemControl,
        send: Flexpage,
        window: Flexpage,
    ) -> bool {
        let bits = self.format.address_bits();
        let transfer =
            Transfer::aligned(send.block(bits), window.block(bits), control.base_address());
        let (send_start, receive_start) = (transfer.send.start(), transfer.receive.start());
        if transfer.send.order() < 12 || receive_start >= self.end_of_space() {
            return true;
        }
        let size = transfer.send.size();
        let asked = send.memory_rights();
        let mut found = false;
        let mut offset = 0;
        while offset < size {
            let wanted = send_start + offset;
            if from == 0 {
                if wanted >> self.physical_bits != 0 {
                    break;
                }
                self.make_root(wanted);
            }
            let Some(id) = self.first(from, wanted, send_start + size) else {
                break;
            };
            let source = self.pages[&id].clone();
            let address = source.address.max(wanted);
            offset = address - send_start;
            let rights = source.rights & asked;
            found |= !rights.is_empty();
            if rights.is_empty() || source.is_fixed {
                offset = source.end() - send_start;
                continue;
            }
            let target = receive_start + offset;
            let memory = source.memory + (address - source.address);
            let mut level = source.level;
            while !(address | target).is_multiple_of(size_of_page(level))
                || size_of_page(level) > size - offset
                || self.has_table(to, target, level)
            {
                level -= 1;
            }
            if let Some(there) = self.first(to, target, target + 1) {
                let page = &self.pages[&there];
                let same = page.level == level && page.memory == memory;
                if page.is_fixed {
                    offset = page.end() - receive_start;
                    continue;
                } else if same && there == id {
                } else if same && page.parent == Some(id) && !control.is_grant() {
                    let page = self.pages.get_mut(&there).unwrap();
                    page.rights |= rights;
                    page.cache = cache(control, page.cache);
                } else {
                    self.remove(there);
                    continue;
                }
                offset += size_of_page(level);
                continue;
            }
            let mut page = Page {
                space: to,
                address: target,
                level,
                memory,
                rights: self.format.effective(rights),
                cache: cache(control, source.cache),
                access: source.access,
                parent: Some(id),
                is_fixed: false,
            };
            let moves = control.is_grant() && level == source.level && from != 0;
            if moves {
                page.parent = source.parent;
                self.add(page);
                let new = self.pages.remove(&(self.next - 1)).unwrap();
                self.places.insert((new.space, new.address), id);
                let old = self.pages.insert(id, new).unwrap();
                self.places.remove(&(old.space, old.address));
            } else {
                self.add(page);
            }
            offset += size_of_page(level);
        }
        found
    }

    fn children(&self, id: Id) -> Vec<Id> {
        self.pages
            .iter()
            .filter(|(_, page)| page.parent == Some(id))
            .map(|(id, _)| *id)
            .collect()
    }

    /// A page and all that was mapped from it.
    fn subtree(&self, id: Id) -> Vec<Id> {
        let mut ids = vec![id];
        let mut index = 0;
        while index < ids.len() {
            ids.extend(self.children(ids[index]));
            index += 1;
        }
        ids
    }

    fn take(&mut self, id: Id) -> Page {
        let page = self.pages.remove(&id).unwrap();
        self.places.remove(&(page.space, page.address));
        page
    }

    fn remove(&mut self, id: Id) -> Access {
        let ids = self.subtree(id);
        ids.into_iter().fold(Access::NONE, |access, id| {
            access.union(self.take(id).access)
        })
    }

    pub(super) fn unmap(&mut self, space: usize, flexpage: Flexpage, scope: Scope) -> Access {
        let block = flexpage.block(self.format.address_bits());
        let rights = flexpage.memory_rights();
        let is_query = rights.is_empty();
        let scope = if space == 0 && !is_query {
            Scope::Descendants
        } else {
            scope
        };
        let own = scope == Scope::All;
        let mut all = Access::NONE;
        if block.order() < 12 || block.start() >= self.end_of_space() {
            return all;
        }
        let ids: Vec<Id> = self
            .pages
            .iter()
            .filter(|(_, page)| {
                page.space == space
                    && !page.is_fixed
                    && page.address <= block.last()
                    && page.end() > block.start()
            })
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            // A page may go with another one.
            let Some(page) = self.pages.get(&id).cloned() else {
                continue;
            };
            let (memory, size) = if block.size() < size_of_page(page.level) {
                (page.memory + (block.start() - page.address), block.size())
            } else {
                (page.memory, size_of_page(page.level))
            };
            let partial = !own || is_query;
            let reached: Vec<Id> = self
                .children(id)
                .into_iter()
                .filter(|child| !partial || self.pages[child].shows(memory, size))
                .flat_map(|child| self.subtree(child))
                .collect();
            let mut access = if own { page.access } else { Access::NONE };
            for reached in reached {
                let page = self.pages.get_mut(&reached).unwrap();
                access = access.union(page.access);
                page.access = Access::NONE;
                if rights.contains(MemoryRights::READ) {
                    self.take(reached);
                } else {
                    page.rights = self.format.effective(page.rights - rights);
                }
            }
            let page = self.pages.get_mut(&id).unwrap();
            page.access = page.access.union(access);
            if own && rights.contains(MemoryRights::READ) {
                self.take(id);
            } else if own {
                page.rights = self.format.effective(page.rights - rights);
            }
            all = all.union(access);
        }
        all
    }

    pub(super) fn touch(&mut self, space: usize, address: u64, access: Access) {
        let kept = access_of(self.format, access);
        if let Some(id) = self.first(space, address, address + 1) {
            let page = self.pages.get_mut(&id).unwrap();
            page.access = page.access.union(kept);
        }
    }
}

/// What the format can note of it.
fn access_of(format: Format, access: Access) -> Access {
    format.access(format.access_bits(access))
}

fn cache(control: ItemControl, other: Cache) -> Cache {
    match control.cache_mode() {
        CacheMode::Keep => other,
        CacheMode::Cached => Cache::Cached,
        CacheMode::Uncached => Cache::Uncached,
        CacheMode::Bufferable => Cache::Bufferable,
    }
}
